//! Rollbacks over a warehouse in memory.

use chrono::DateTime;
use object_store::ObjectStoreExt as _;

use super::*;
use crate::test_house::{House, env};

const COUNT: &str = "select order_count from agg_totals";

impl House {
    async fn roll_back(&self, number: u64) -> Result<Option<Release>> {
        let (prod, now) = (env("prod"), DateTime::UNIX_EPOCH);
        self.warehouse.rollback(&self.project, &prod, number, "run-r", now).await
    }

    async fn twice() -> Self {
        let mut house = Self::new();
        house.land("orders", &[("1", 5), ("2", 7)]).await;
        house.build("prod").await;
        house.land("orders", &[("3", 1)]).await;
        house.build("prod").await;
        house
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_the_older_tables_under_a_new_number_and_the_next_build_goes_on() {
    let mut house = House::twice().await;
    assert_eq!(house.query("prod", COUNT).await, ["3"]);
    let release = house.roll_back(1).await.unwrap().unwrap();
    assert_eq!((release.number, release.note.as_deref()), (3, Some("rollback to release 1")));
    assert_eq!(house.query("prod", COUNT).await, ["2"]);
    assert_eq!(house.query("prod@2", COUNT).await, ["3"]);
    // What changed since is stale now.
    let report = house.build("prod").await;
    assert_eq!(report.release, Some(4));
    assert_eq!(house.query("prod", COUNT).await, ["3"]);
    assert_eq!(house.roll_back(4).await.unwrap(), None, "readers see it already");
    assert!(matches!(house.roll_back(9).await, Err(Error::UnknownRelease { number: 9, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_lost_a_file_or_a_version_is_refused_by_name() {
    let house = House::twice().await;
    let first = house.warehouse.release(&env("prod"), 1).await.unwrap();
    let at = &first.tables["fct_orders"];
    let snapshot = house.warehouse.stands_at(&house.project, "fct_orders", at).await.unwrap();
    let file = snapshot.files().remove(0);
    let objects = house.warehouse.store().objects_at(&snapshot.name().location());
    objects.delete(&file.as_str().into()).await.unwrap();
    let error = house.roll_back(1).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "release 1 of `prod` is no longer whole: `fct_orders` at version {} lacks its file `{file}`",
            at.version
        )
    );
    objects.delete(&format!("_delta_log/{:020}.json", at.version).into()).await.unwrap();
    let mut reopened = House::new();
    reopened.warehouse = house.reopened();
    let error = reopened.roll_back(1).await.unwrap_err().to_string();
    assert!(error.ends_with(&format!("`fct_orders` has no version {} any more", at.version)));
    assert_eq!(house.current("prod").await.number, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_left_the_project_is_found_where_it_was() {
    let mut house = House::twice().await;
    let mut models = crate::test_house::MODELS.to_vec();
    models.retain(|model| model.0 != "marts/agg_totals.sql");
    house.project = crate::test_house::project(&models);
    let release = house.roll_back(1).await.unwrap().unwrap();
    assert!(release.tables.contains_key("agg_totals"));
}
