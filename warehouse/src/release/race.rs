//! Two builds at once: one publishes, the other says so, and nobody reads half of either.

use std::sync::{Arc, Barrier, Once};

use crate::test_house::{House, answer, raw_schemas};
use crate::{BuildEvent, Error};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_builds_at_once_one_wins_and_the_other_changes_nothing() {
    let mut house = House::new();
    house.land("orders", &[("1", 5), ("2", 7)]).await;
    house.build("prod").await;
    house.land("orders", &[("3", 1)]).await;
    house.land("fees", &[("9", 1)]).await;
    let before = house.current("prod").await;

    // Both know the standing release before either has published.
    let met = Arc::new(Barrier::new(2));
    let builds = [house.warehouse.clone(), house.reopened()].map(|warehouse| {
        let mut options = house.options("prod", &[]);
        let (met, once) = (Arc::clone(&met), Once::new());
        options.on_event = Arc::new(move |event| {
            if matches!(event, BuildEvent::Started { .. }) {
                once.call_once(|| {
                    met.wait();
                });
            }
        });
        let project = house.project.clone();
        tokio::spawn(async move { warehouse.build(&project, &raw_schemas(), &options).await })
    });
    let [a, b] = builds;
    let ended = [a.await.unwrap(), b.await.unwrap()];
    let (won, lost): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1, "{lost:?}");
    let error = lost.into_iter().next().unwrap().unwrap_err();
    assert!(matches!(error, Error::ReleaseRace { number: 2 }), "{error}");

    let after = house.current("prod").await;
    assert_eq!(after.number, before.number + 1);
    // Every table of the release is what its basis says, whoever wrote the newest version of it.
    for (model, basis) in &after.models {
        for (input, at) in &basis.inputs {
            assert_eq!(at.as_ref(), after.tables.get(input), "{model} reads {input}");
        }
    }
    for warehouse in [house.warehouse.clone(), house.reopened()] {
        let sql = "select t.order_count, t.total_amount, count(*), sum(o.total_amount) from agg_totals as t cross join fct_orders as o group by t.order_count, t.total_amount";
        let read = answer(&warehouse, &house.project, "prod", sql).await.unwrap();
        assert_eq!(read, ["3 13.0000 3 13.0000"]);
    }
    // The loser's work is not found by the next build: there is nothing left to do.
    assert_eq!(house.build("prod").await.release, None);
}
