//! Plans compared with what a build then does.

use super::*;
use crate::test_house::{House, MODELS, env, raw_schemas};
use crate::{BuildReport, ModelStatus};

impl House {
    async fn plan(&self, environment: &str, select: &[&str]) -> BuildPlan {
        self.try_plan(environment, select).await.unwrap()
    }

    async fn try_plan(&self, environment: &str, select: &[&str]) -> Result<BuildPlan> {
        let select: Vec<String> = select.iter().map(|name| (*name).to_owned()).collect();
        let (raw, environment) = (raw_schemas(), env(environment));
        self.warehouse.plan(&self.project, &raw, &environment, &select).await
    }
}

fn ways(plan: &BuildPlan) -> Vec<(&str, &str)> {
    plan.models.iter().map(|model| (model.name.as_str(), model.forecast.as_str())).collect()
}

/// The models that a plan says run for sure, against those that a build ran.
fn assert_foreseen(plan: &BuildPlan, report: &BuildReport) {
    for model in &report.models {
        let planned = plan.models.iter().find(|planned| planned.name == model.name).unwrap();
        match planned.forecast {
            Forecast::MayRun(_) => {}
            _ => assert_eq!(
                planned.forecast.runs(),
                model.status == ModelStatus::Built,
                "{planned:?}"
            ),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_why_and_the_build_does_it() {
    let mut house = House::new();
    house.land("orders", &[("1", 5)]).await;
    let plan = house.plan("prod", &[]).await;
    assert_eq!(plan.release, None);
    assert_eq!(
        ways(&plan),
        [("dim_fees", "first"), ("fct_orders", "first"), ("agg_totals", "first")]
    );
    house.build("prod").await;
    let plan = house.plan("prod", &[]).await;
    assert_eq!(plan.release, Some(1));
    assert!(plan.models.iter().all(|model| model.forecast == Forecast::Unchanged), "{plan:?}");

    house.land("fees", &[("9", 1)]).await;
    house.rewrite(
        "marts/fct_orders.sql",
        "select order_id, total_amount, length(order_id) as note, 1 as extra from stg_shop__orders",
    );
    let plan = house.plan("prod", &[]).await;
    assert_eq!(
        ways(&plan),
        [("dim_fees", "full"), ("fct_orders", "full"), ("agg_totals", "may_run")]
    );
    let why = |name: &str| match &plan.models.iter().find(|m| m.name == name).unwrap().forecast {
        Forecast::Full(why) => why.iter().map(ToString::to_string).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(why("dim_fees"), ["`raw.shop.fees` is there now"]);
    assert_eq!(why("fct_orders"), ["the SQL changed, its own or that of a view it reads"]);
    assert_eq!(plan.models[2].forecast, Forecast::MayRun(vec!["fct_orders".to_owned()]));
    let columns: Vec<String> = plan.models[1].columns.iter().map(ToString::to_string).collect();
    assert_eq!(columns, ["`note` from text to int32", "`extra` added, bigint"]);
    let felt = |plan: &BuildPlan| -> Vec<(String, Vec<String>, bool)> {
        let models = plan.models.iter().filter(|model| model.felt != Felt::default());
        models.map(|m| (m.name.clone(), m.felt.columns.clone(), m.felt.rows)).collect()
    };
    // Nobody reads the note.
    let note = vec![("fct_orders".to_owned(), vec!["note".to_owned()], false)];
    assert_eq!(felt(&plan), note);
    house.rewrite(
        MODELS[1].0,
        "select order_id, cast(total_amount + 1 as decimal(18, 4)) as total_amount, '' as note from stg_shop__orders",
    );
    let both = ["total_amount", "note"].map(str::to_owned).to_vec();
    let sum = ("agg_totals".to_owned(), vec!["total_amount".to_owned()], false);
    assert_eq!(felt(&house.plan("prod", &[]).await), [("fct_orders".to_owned(), both, false), sum]);
    house.rewrite(
        MODELS[1].0,
        "select order_id, total_amount, 'note of ' || order_id as note from stg_shop__orders where total_amount > 1",
    );
    let rows = ["fct_orders", "agg_totals"].map(|name| (name.to_owned(), Vec::new(), true));
    assert_eq!(felt(&house.plan("prod", &[]).await), rows);
    house.rewrite(
        MODELS[1].0,
        "select order_id, total_amount, length(order_id) as note, 1 as extra from stg_shop__orders",
    );

    let before = house.current("prod").await;
    let part = house.plan("prod", &["fct_orders"]).await;
    assert_eq!(
        (ways(&part).len(), part.left_behind.as_slice()),
        (1, ["agg_totals".to_owned()].as_slice())
    );
    assert_eq!(house.current("prod").await, before, "nothing is written");
    let report = house.build("prod").await;
    assert_foreseen(&plan, &report);
    assert!(house.plan("prod", &[]).await.models.iter().all(|m| m.forecast == Forecast::Unchanged));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_environment_what_prod_has_is_shared_and_the_rest_is_built() {
    let mut house = House::new();
    house.land("orders", &[("1", 5)]).await;
    house.build("prod").await;
    let plan = house.plan("dev", &[]).await;
    assert_eq!(plan.release, None);
    assert!(plan.models.iter().all(|model| model.forecast == Forecast::Shared), "{plan:?}");
    house.rewrite("marts/agg_totals.sql", "select cast(max(total_amount) as decimal(18, 4)) as total_amount, count(*) as order_count from fct_orders");
    let plan = house.plan("dev", &[]).await;
    assert_eq!(ways(&plan)[2], ("agg_totals", "full"));
    assert_eq!(plan.models[2].forecast, Forecast::Full(vec![Difference::Plan]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_not_plan_is_a_finding_and_a_wrong_name_has_a_hint() {
    let mut house = House::new();
    let error = house.try_plan("prod", &["fct_order"]).await.unwrap_err();
    assert!(error.hint().unwrap().contains("fct_orders"));
    house.rewrite(MODELS[1].0, "select nothing from stg_shop__orders");
    let error = house.try_plan("prod", &[]).await.unwrap_err();
    assert!(matches!(error, Error::Findings(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_with_changed_by_is_foreseen_for_its_keys_where_it_has_a_table_of_its_own() {
    let mut house = House::new();
    let mut models = MODELS;
    models[1].1 = "kind = 'merge'\n--! key = ['order_id']\n--! changed_by = ['order_id']";
    house.project = crate::test_house::project(&models);
    house.land("orders", &[("1", 5)]).await;
    house.build("prod").await;
    house.land("orders", &[("2", 7)]).await;
    let plan = house.plan("prod", &["fct_orders"]).await;
    let Forecast::Keys { by, because } = &plan.models[0].forecast else { panic!("{plan:?}") };
    assert_eq!(by, &["order_id"]);
    assert_eq!(because[0].to_string(), "`raw.shop.orders` changed from version 1 to 2");
    let here = house.plan("dev", &["fct_orders"]).await;
    assert!(matches!(here.models[0].forecast, Forecast::Full(_)), "{here:?}");
    let report = house.build("prod").await;
    assert_foreseen(&house.plan("prod", &[]).await, &house.build("prod").await);
    let way = report.models.iter().find(|model| model.name == "fct_orders").unwrap();
    assert!(matches!(way.way, Some(crate::Way::Keys { .. })), "{way:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_input_that_the_keys_do_not_reach_is_named() {
    let mut house = House::new();
    let mut models = MODELS;
    models[1].1 = "kind = 'merge'\n--! key = ['order_id']\n--! changed_by = ['order_id']";
    models[1].2 = "select order_id, total_amount, (select count(*) from dim_fees) as fee_count from stg_shop__orders";
    house.project = crate::test_house::project(&models);
    house.land("orders", &[("1", 5)]).await;
    house.land("fees", &[("9", 1)]).await;
    house.build("prod").await;
    house.land("orders", &[("2", 5)]).await;
    assert_eq!(house.plan("prod", &["fct_orders"]).await.models[0].whole_because, None);
    house.land("fees", &[("8", 1)]).await;
    let options = house.options("prod", &["dim_fees"]);
    house.warehouse.build(&house.project, &raw_schemas(), &options).await.unwrap();
    let plan = house.plan("prod", &["fct_orders"]).await;
    assert_eq!(plan.models[0].forecast.as_str(), "incremental");
    assert_eq!(plan.models[0].whole_because.as_deref(), Some("dim_fees"));
    let report = house.build("prod").await;
    let way = report.models.iter().find(|model| model.name == "fct_orders").unwrap();
    assert_eq!(way.way, Some(crate::Way::Full(crate::Why::Dimension("dim_fees".to_owned()))));
}
