//! Promotions over a warehouse in memory: what moves, what is refused, what a crash leaves.

use chrono::DateTime;

use super::*;
use crate::test_house::{House, answer, env};

const FCT: &str = "marts/fct_orders.sql";
/// Twice the amounts.
const DOUBLED: &str = "select order_id, cast(total_amount * 2 as decimal(18, 4)) as total_amount, 'note of ' || order_id as note from stg_shop__orders";
const SUM: &str = "select total_amount from agg_totals";

impl House {
    async fn promote(&self, name: &str) -> Result<Promotion> {
        let now = DateTime::UNIX_EPOCH;
        self.warehouse.promote(&self.project, &env(name), "run-p", now).await
    }

    /// `prod` with two orders, `dev` with doubled amounts.
    async fn tried() -> Self {
        let mut house = Self::new();
        house.land("orders", &[("1", 5), ("2", 7)]).await;
        house.land("fees", &[("9", 1)]).await;
        house.build("prod").await;
        house.build("dev").await;
        house.rewrite(FCT, DOUBLED);
        house.build("dev").await;
        house
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_built_aside_becomes_prods_with_its_files_and_nothing_else_moves() {
    let house = House::tried().await;
    assert_eq!(house.query("prod", SUM).await, ["12.0000"]);
    assert_eq!(house.query("dev", SUM).await, ["24.0000"]);
    let (before, trial) = (house.current("prod").await, house.current("dev").await);
    assert_eq!(trial.tables["dim_fees"], before.tables["dim_fees"], "shared by pointer");

    let done = house.promote("dev").await.unwrap();
    assert_eq!(done.promoted, ["agg_totals", "fct_orders"]);
    assert_eq!((done.from, done.release, done.stale.len()), (2, Some(2), 0));
    assert_eq!(house.query("prod", SUM).await, ["24.0000"]);
    assert_eq!(house.query("prod@1", SUM).await, ["12.0000"]);
    let after = house.current("prod").await;
    assert_eq!(after.note.as_deref(), Some("promoted from dev 2"));
    assert_eq!(after.tables["dim_fees"], before.tables["dim_fees"]);
    let (moved, tried) = (&after.tables["fct_orders"], &trial.tables["fct_orders"]);
    assert_eq!((&moved.contents, moved.environment.is_prod()), (&tried.contents, true));
    assert_eq!(after.models["agg_totals"].inputs["fct_orders"].as_ref(), Some(moved));
    // Who reads the Delta table by its path sees the same.
    let table = house.warehouse.table(&"fct_orders".parse().unwrap());
    assert_eq!(table.version().await.unwrap(), Some(moved.version));
    assert_eq!(table.snapshot().await.unwrap().unwrap().rows(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_build_and_the_next_promotion_find_nothing_to_do_and_dropping_takes_nothing_away()
{
    let mut house = House::tried().await;
    house.promote("dev").await.unwrap();
    assert_eq!(house.build("prod").await.release, None, "promoted is as good as built");
    let again = house.promote("dev").await.unwrap();
    assert_eq!((again.release, again.promoted.len()), (None, 0));

    assert_eq!(house.warehouse.environments().await.unwrap(), [env("prod"), env("dev")]);
    let state = house.warehouse.environment_state(&env("dev")).await.unwrap();
    assert_eq!((state.releases, state.own, state.shared), (2, 2, 1));
    assert!(state.bytes > 0);
    house.warehouse.drop_environment(&env("dev")).await.unwrap();
    assert_eq!(house.warehouse.environments().await.unwrap(), [env("prod")]);
    let prod = house.reopened();
    assert_eq!(answer(&prod, &house.project, "prod", SUM).await.unwrap(), ["24.0000"]);
    let error = house.warehouse.drop_environment(&env("prod")).await.unwrap_err();
    assert_eq!(error.to_string(), "`prod` cannot be dropped");
    // It can be made anew under the same name.
    house.build("dev").await;
    assert_eq!(house.query("dev", SUM).await, ["24.0000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_promotion_takes_only_the_files_that_are_new() {
    let mut house = House::tried().await;
    house.promote("dev").await.unwrap();
    let tripled = "select order_id, cast(total_amount * 3 as decimal(18, 4)) as total_amount, 'note of ' || order_id as note from stg_shop__orders";
    house.rewrite(FCT, tripled);
    house.build("dev").await;
    assert_eq!(house.promote("dev").await.unwrap().release, Some(3));
    assert_eq!(house.query("prod", SUM).await, ["36.0000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_data_in_prod_refuses_it_until_the_environment_is_built_again() {
    let mut house = House::tried().await;
    house.land("orders", &[("3", 1)]).await;
    // Data that no model of `prod` has read yet is no reason.
    house.rewrite(FCT, crate::test_house::MODELS[1].2);
    house.build("prod").await;
    let before = house.current("prod").await;
    let error = house.promote("dev").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment `dev` does not fit `prod` any more: `prod` has newer data of `raw.shop.orders`"
    );
    assert_eq!(error.hint().unwrap(), "`inkhouse build --env dev`, then promote again");
    assert_eq!(house.current("prod").await, before);

    house.rewrite(FCT, DOUBLED);
    house.build("dev").await;
    house.promote("dev").await.unwrap();
    assert_eq!(house.query("prod", SUM).await, ["26.0000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_data_that_nothing_promoted_reads_is_no_reason_and_stays() {
    let mut house = House::tried().await;
    house.land("fees", &[("10", 1)]).await;
    house.rewrite(FCT, crate::test_house::MODELS[1].2);
    house.build("prod").await;
    let fees = house.current("prod").await.tables["dim_fees"].clone();
    house.promote("dev").await.unwrap();
    assert_eq!(house.current("prod").await.tables["dim_fees"], fees);
    assert_eq!(house.query("prod", "select count(*) from dim_fees").await, ["2"]);
    assert_eq!(house.query("prod", SUM).await, ["24.0000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_input_that_prod_replaced_refuses_it_and_what_was_left_behind_is_named() {
    let mut house = House::new();
    house.land("orders", &[("1", 5), ("2", 7)]).await;
    house.build("prod").await;
    house.build("dev").await;
    house.build("other").await;
    let agg = "marts/agg_totals.sql";
    house.rewrite(agg, "select cast(max(total_amount) as decimal(18, 4)) as total_amount, count(*) as order_count from fct_orders");
    house.build("dev").await;
    // Meanwhile somebody else's change of what it reads is promoted, without what reads it.
    house.rewrite(FCT, DOUBLED);
    let options = house.options("other", &["fct_orders"]);
    let raw = crate::test_house::raw_schemas();
    house.warehouse.build(&house.project, &raw, &options).await.unwrap();
    let done = house.promote("other").await.unwrap();
    assert_eq!((done.promoted, done.stale), (vec!["fct_orders".into()], vec!["agg_totals".into()]));
    let error = house.promote("dev").await.unwrap_err().to_string();
    assert!(error.ends_with("`agg_totals` was built from a `fct_orders` that `prod` has replaced"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_without_a_release_and_prod_itself_are_refused() {
    let house = House::tried().await;
    let error = house.promote("nowhere").await.unwrap_err();
    assert_eq!(error.to_string(), "nothing was built in environment `nowhere` yet");
    assert_eq!(house.promote("prod").await.unwrap_err().to_string(), "`prod` cannot be promoted");
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_at_any_write_prods_release_stays_whole_and_the_next_try_completes() {
    for writes in 0..50 {
        let house = House::tried().await;
        let before = house.current("prod").await;
        house.fuse.set(writes);
        let ended = house.promote("dev").await;
        house.fuse.set(i64::MAX);
        // Another process sees what is in the store and nothing else.
        let seen = house.reopened();
        if let Ok(done) = ended {
            assert_eq!(done.release, Some(2));
            assert!(writes >= 5, "two files, two tables, one release: {writes}");
            return;
        }
        assert_eq!(house.current("prod").await, before);
        let sum = answer(&seen, &house.project, "prod", SUM).await.unwrap();
        assert_eq!(sum, ["12.0000"], "after {writes} writes");
        let now = DateTime::UNIX_EPOCH;
        let done = seen.promote(&house.project, &env("dev"), "run-q", now).await.unwrap();
        assert_eq!(done.release, Some(2), "after {writes} writes");
        let sum = answer(&seen, &house.project, "prod", SUM).await.unwrap();
        assert_eq!(sum, ["24.0000"], "after {writes} writes");
    }
    panic!("it never ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_half_way_a_build_of_prod_goes_on_too() {
    let mut house = House::tried().await;
    house.fuse.set(3); // both files and the first table
    house.promote("dev").await.unwrap_err();
    house.fuse.set(i64::MAX);
    house.land("orders", &[("3", 1)]).await;
    house.rewrite(FCT, crate::test_house::MODELS[1].2);
    house.warehouse = house.reopened();
    house.build("prod").await;
    assert_eq!(house.query("prod", SUM).await, ["13.0000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_promotions_at_once_one_wins() {
    let house = House::tried().await;
    let other = house.reopened();
    let (project, dev, now) = (&house.project, env("dev"), DateTime::UNIX_EPOCH);
    let (a, b) = tokio::join!(
        house.warehouse.promote(project, &dev, "run-a", now),
        other.promote(project, &dev, "run-b", now)
    );
    let lost = match (a, b) {
        (Ok(_), Err(lost)) | (Err(lost), Ok(_)) => lost,
        // The second began after the first had ended.
        (Ok(a), Ok(b)) => {
            assert!(a.release.is_none() || b.release.is_none());
            return;
        }
        (Err(a), Err(b)) => panic!("both lost: {a}, {b}"),
    };
    assert!(matches!(lost, Error::ReleaseRace { .. } | Error::Race { .. }), "{lost}");
    assert_eq!(house.current("prod").await.number, 2);
    assert_eq!(house.query("prod", SUM).await, ["24.0000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_holds_its_own_past_is_not_replaced() {
    let mut house = House::new();
    let mut models = crate::test_house::MODELS;
    models[1].1 = "kind = 'scd2'\n--! key = ['order_id']";
    models[2].2 = "select cast(sum(total_amount) as decimal(18, 4)) as total_amount, count(*) as order_count from fct_orders where is_current";
    house.project = crate::test_house::project(&models);
    house.land("orders", &[("1", 5)]).await;
    house.build("prod").await;
    models[1].2 = DOUBLED;
    house.project = crate::test_house::project(&models);
    house.build("dev").await;
    let error = house.promote("dev").await.unwrap_err().to_string();
    assert!(error.ends_with("`fct_orders` of `prod` holds a past that would be lost"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sql_with_the_same_rows_is_known_to_prod_afterwards() {
    let mut house = House::new();
    house.land("orders", &[("1", 5), ("2", 7)]).await;
    house.build("prod").await;
    let mut models = crate::test_house::MODELS;
    models[1].2 =
        "select order_id, total_amount, concat('note of ', order_id) as note from stg_shop__orders";
    models[3].2 = "select fee_id, 'x' as colour_code from stg_shop__fees";
    house.project = crate::test_house::project(&models);
    house.land("fees", &[("9", 1)]).await;
    house.build("dev").await;
    let trial = house.current("dev").await;
    assert!(trial.tables["fct_orders"].environment.is_prod(), "the rows are those of prod");
    assert_eq!(house.promote("dev").await.unwrap().promoted, ["dim_fees"]);
    assert_eq!(house.build("prod").await.release, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_change_of_the_same_model_is_not_undone_unseen() {
    let mut house = House::tried().await;
    let tripled = "select order_id, cast(total_amount * 3 as decimal(18, 4)) as total_amount, 'note of ' || order_id as note from stg_shop__orders";
    house.rewrite(FCT, tripled);
    house.build("other").await;
    house.promote("other").await.unwrap();
    let error = house.promote("dev").await.unwrap_err().to_string();
    assert!(error.contains("`fct_orders` of `prod` was changed since"), "{error}");
    assert_eq!(house.query("prod", SUM).await, ["36.0000"]);
    // Who builds again has seen it.
    house.rewrite(FCT, DOUBLED);
    assert_eq!(house.build("dev").await.release, Some(3));
    house.promote("dev").await.unwrap();
    assert_eq!(house.query("prod", SUM).await, ["24.0000"]);
}
