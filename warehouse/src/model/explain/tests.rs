//! Explanations of a small house, compared with what its builds do.

use super::*;
use crate::test_house::{House, MODELS, env, project, raw_schemas};

impl House {
    async fn explain(&self, environment: &str, name: &str) -> Explanation {
        let (raw, environment) = (raw_schemas(), env(environment));
        self.warehouse.explain(&self.project, &raw, &environment, name).await.unwrap()
    }

    async fn changed(&self, environment: &str) -> Vec<String> {
        let raw = raw_schemas();
        let changed = self.warehouse.changed(&self.project, &raw, &env(environment)).await;
        changed.unwrap().into_iter().collect()
    }

    async fn selected(&self, word: &str) -> Vec<String> {
        let (raw, prod) = (raw_schemas(), Environment::default());
        let select = [word.to_owned()];
        let known = self.warehouse.with_changed(&self.project, &raw, &prod, &select).await.unwrap();
        known.select(&select).unwrap().iter().map(|model| model.name.clone()).collect()
    }
}

fn by_keys() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut models = MODELS.to_vec();
    models[1].1 = "kind = 'merge'\n--! key = ['order_id']\n--! changed_by = ['order_id']";
    models
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_is_named_with_its_versions_and_how_far_the_keys_reach() {
    let mut house = House::new();
    house.project = project(&by_keys());
    house.land("orders", &[("1", 5)]).await;
    let first = house.explain("prod", "fct_orders").await;
    assert_eq!((first.release, &first.stands), (None, &None));
    assert_eq!(first.forecast, Some(Forecast::First));
    house.build("prod").await;
    let built = house.explain("prod", "fct_orders").await;
    assert_eq!(built.forecast, Some(Forecast::Unchanged));
    assert!(built.stands.is_some() && built.inputs.iter().all(|input| input.change.is_none()));

    house.land("orders", &[("2", 7)]).await;
    let moved = house.explain("prod", "fct_orders").await;
    assert!(matches!(moved.forecast, Some(Forecast::Keys { .. })), "{moved:?}");
    assert_eq!(moved.whole_because, None);
    let [orders] = moved.inputs.as_slice() else { panic!("{moved:?}") };
    assert_eq!(orders.name, "raw.shop.orders");
    let change = orders.change.as_ref().unwrap().to_string();
    assert_eq!(change, "`raw.shop.orders` changed from version 1 to 2");
    let by = Role::Narrowed { by: vec!["id".to_owned()], through: Vec::new() };
    assert_eq!(orders.role, Some(by));
    let total = house.explain("prod", "agg_totals").await;
    assert_eq!(total.forecast, Some(Forecast::MayRun(vec!["fct_orders".to_owned()])));
    assert!(total.inputs.iter().any(|input| input.name == "fct_orders" && input.runs));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dimension_that_changed_makes_a_build_by_keys_a_whole_one() {
    let mut house = House::new();
    let mut models = by_keys();
    models[1].2 = "select orders.order_id, orders.total_amount, fees.most_fee_id as note \
                   from stg_shop__orders as orders \
                   cross join (select max(fee_id) as most_fee_id from dim_fees) as fees";
    house.project = project(&models);
    house.land("orders", &[("1", 5)]).await;
    house.land("fees", &[("9", 1)]).await;
    house.build("prod").await;
    house.land("fees", &[("8", 2)]).await;
    let options = house.options("prod", &["dim_fees"]);
    let report = house.warehouse.build(&house.project, &raw_schemas(), &options).await.unwrap();
    assert!(report.is_ok(), "{report:?}");
    let moved = house.explain("prod", "fct_orders").await;
    assert!(matches!(moved.forecast, Some(Forecast::Keys { .. })), "{moved:?}");
    assert_eq!(moved.whole_because.as_deref(), Some("dim_fees"), "{moved:?}");
    let report = house.build("prod").await;
    let way = report.models.iter().find(|model| model.name == "fct_orders").unwrap();
    assert!(matches!(way.way, Some(crate::Way::Full(_))), "{way:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_never_built_and_an_unknown_name_has_a_hint() {
    let house = House::new();
    let view = house.explain("prod", "stg_shop__orders").await;
    assert_eq!((view.kind, &view.forecast), (Kind::View, &None));
    assert_eq!(view.inputs.len(), 1);
    let (raw, prod) = (raw_schemas(), Environment::default());
    let error = house.warehouse.explain(&house.project, &raw, &prod, "fct_order").await;
    assert!(error.unwrap_err().hint().unwrap().contains("fct_orders"));
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_is_what_a_build_would_compute_whatever_the_others_did() {
    let mut house = House::new();
    house.land("orders", &[("1", 5)]).await;
    house.land("fees", &[("9", 1)]).await;
    assert_eq!(house.changed("prod").await, ["agg_totals", "dim_fees", "fct_orders"]);
    house.build("prod").await;
    assert_eq!(house.changed("prod").await, [""; 0]);
    assert_eq!(house.changed("dev").await, [""; 0], "prod has them");
    assert_eq!(house.selected("changed").await, [""; 0]);

    house.land("fees", &[("8", 2)]).await;
    assert_eq!(house.changed("prod").await, ["dim_fees"], "an input");
    house.rewrite(
        "marts/fct_orders.sql",
        "select order_id, total_amount, length(order_id) as note from stg_shop__orders",
    );
    assert_eq!(house.changed("prod").await, ["dim_fees", "fct_orders"], "and the SQL");
    assert_eq!(house.selected("changed,fct_*").await, ["fct_orders"]);
    assert!(house.selected("changed+").await.contains(&"agg_totals".to_owned()));
    house.rewrite("marts/fct_orders.sql", "select nothing from stg_shop__orders");
    let broken = house.changed("prod").await;
    assert!(broken.contains(&"fct_orders".to_owned()), "what does not plan: {broken:?}");
}
