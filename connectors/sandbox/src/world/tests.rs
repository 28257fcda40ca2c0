//! Tests of the world as a whole.

use std::collections::HashSet;

use super::{
    HISTORY_END, World, WorldOptions,
    calendar::{DAY, HOUR, local_date, moment},
    facts::{Gateway, Order},
    people::Consent,
    supply::{PartState, Supplier},
};

fn world(orders: u32, as_of: i64) -> World {
    World::new(WorldOptions { seed: 42, orders, as_of: moment(as_of) })
}

fn orders(world: &World) -> impl Iterator<Item = Order> + '_ {
    (0..world.order_count()).map(|i| world.order(i).unwrap())
}

/// The order as Shopify has it, without the suppliers' side.
fn at_shopify(mut order: Order) -> String {
    order.parts.clear();
    format!("{order:?}")
}

#[test]
fn the_same_options_make_the_same_world() {
    let (one, other) = (world(400, HISTORY_END), world(400, HISTORY_END));
    for (a, b) in orders(&one).zip(orders(&other)) {
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
    }
    let another = World::new(WorldOptions { seed: 43, ..one.options().clone() });
    assert_ne!(format!("{:?}", one.order(7)), format!("{:?}", another.order(7)));
}

#[test]
fn the_history_holds_all_orders_and_other_nights_more_or_fewer() {
    assert_eq!(world(500, HISTORY_END).order_count(), 500);
    assert!(world(500, HISTORY_END - 30 * DAY).order_count() < 500);
    assert!(world(500, HISTORY_END + 30 * DAY).order_count() > 500);
}

#[test]
fn an_order_that_changed_overnight_says_so_in_updated_at() {
    let (today, tomorrow) = (world(1_500, HISTORY_END), world(1_500, HISTORY_END + DAY));
    let mut changed = 0;
    for before in orders(&today) {
        let after = tomorrow.order(before.index).unwrap();
        assert!(before.updated_at <= HISTORY_END, "order {} is ahead of its time", before.index);
        if before.updated_at == after.updated_at {
            assert_eq!(at_shopify(before), at_shopify(after));
        } else {
            assert!(after.updated_at > HISTORY_END);
            changed += 1;
        }
    }
    assert!(changed > 5, "{changed} orders changed");
}

#[test]
fn nothing_visible_lies_in_the_future() {
    let as_of = HISTORY_END - 17 * HOUR;
    let world = world(1_000, as_of);
    for order in orders(&world) {
        let parts = order.parts.iter().flat_map(|part| {
            [
                Some(part.created_at),
                part.sent_to_production_at,
                part.fulfilled_at,
                part.delivered_at,
                part.reshipped_at,
            ]
        });
        let refunds = order.refunds.iter().map(|refund| Some(refund.created_at));
        let others = [
            Some(order.created_at),
            order.cancelled.map(|cancelled| cancelled.at),
            order.closed_at,
        ];
        assert!(
            parts.chain(refunds).chain(others).flatten().all(|at| at <= as_of),
            "order {}",
            order.index
        );
    }
}

#[test]
fn orders_are_paged_by_update_without_gap_or_repeat() {
    let world = world(700, HISTORY_END);
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = world.orders_updated(0, i64::MAX, after, 37);
        let Some(last) = page.last() else { break };
        after = Some(*last);
        seen.extend(page);
    }
    assert!(seen.is_sorted());
    assert_eq!(seen.iter().map(|(_, i)| i).collect::<HashSet<_>>().len(), 700);
    for (at, i) in seen.iter().step_by(50) {
        assert_eq!(world.order(*i).unwrap().updated_at, *at);
    }
    let middle = seen[300].0;
    assert_eq!(world.orders_updated(middle, i64::MAX, None, 1)[0].0, middle);
    assert!(world.orders_updated(0, middle, None, 1_000).iter().all(|(at, _)| *at < middle));
}

#[test]
fn ids_are_unique_and_lead_back() {
    let world = world(600, HISTORY_END);
    let mut ids = HashSet::new();
    for order in orders(&world) {
        assert_eq!(world.order_index(order.id), Some(order.index));
        assert!(ids.insert(order.id));
        for line in &order.lines {
            assert!(ids.insert(line.id));
            assert!(world.variant(line.variant).is_some());
        }
        let skus: HashSet<_> =
            order.lines.iter().map(|line| &world.variant(line.variant).unwrap().1.sku).collect();
        assert_eq!(skus.len(), order.lines.len());
        for refund in &order.refunds {
            assert!(ids.insert(refund.id));
        }
    }
    assert_eq!(world.order_index(1), None);
    for (_, customer) in world.customers_updated(0, i64::MAX, None, usize::MAX) {
        let account = world.customer(customer).unwrap();
        assert_eq!(world.customer_index(account.id), Some(customer));
        assert!(account.number_of_orders > 0);
    }
}

#[test]
fn supplier_orders_are_listed_newest_first_and_found_by_id() {
    let world = world(600, HISTORY_END);
    let all = world.printify_orders(0, usize::MAX);
    assert_eq!(all.len(), world.printify_order_count());
    assert!(all.windows(2).all(|pair| pair[0].created_at >= pair[1].created_at));
    assert_eq!(all.iter().map(|order| &order.id).collect::<HashSet<_>>().len(), all.len());
    assert_eq!(world.printify_orders(10, 10)[3].id, all[13].id);
    assert_eq!(world.printify_order(&all[5].id).unwrap().code, all[5].code);
    assert!(world.printify_order("ffffffffffffffffffffffff").is_none());
    let expected: usize = orders(&world)
        .map(|order| order.parts.iter().filter(|part| !part.is_printful).count())
        .sum();
    assert_eq!(all.iter().filter(|order| order.order_type == "external").count(), expected);

    let printful = world.printful_orders(0, usize::MAX);
    assert_eq!(printful.len(), world.printful_order_count());
    assert!(printful.windows(2).all(|pair| pair[0].created_at >= pair[1].created_at));
    assert_eq!(world.printful_order(printful[2].id).unwrap().code, printful[2].code);
}

#[test]
fn stripe_lists_are_walked_by_starting_after_without_an_index() {
    let world = world(400, HISTORY_END);
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = world.stripe_balance_transactions(after.as_deref(), None, None, 23).unwrap();
        after = page.rows.last().map(|row| row.id.clone());
        seen.extend(page.rows);
        if !page.has_more {
            break;
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0].created >= pair[1].created));
    assert_eq!(seen.iter().map(|row| &row.id).collect::<HashSet<_>>().len(), seen.len());
    let charges = world.stripe_charges(None, None, None, usize::MAX).unwrap().rows;
    let refunds = world.stripe_refunds(None, None, None, usize::MAX).unwrap().rows;
    assert_eq!(seen.len(), charges.len() + refunds.len() + world.account_fees().len());
    assert!(!refunds.is_empty());
    for charge in &charges {
        let row = world.stripe_balance_transaction(&charge.balance_transaction).unwrap();
        assert_eq!((row.amount, row.source.as_deref()), (charge.amount, Some(charge.id.as_str())));
        assert_eq!(world.stripe_charge(&charge.id).unwrap().created, charge.created);
    }
    for refund in &refunds {
        assert!(world.stripe_charge(&refund.charge).unwrap().amount_refunded >= refund.amount);
        assert_eq!(world.stripe_refund(&refund.id).unwrap().amount, refund.amount);
    }
    assert!(world.stripe_charges(Some("ch_3unknown"), None, None, 5).is_none());
    let from = HISTORY_END - 60 * DAY;
    let recent = world.stripe_balance_transactions(None, Some(from), None, usize::MAX).unwrap();
    assert_eq!(recent.rows.len(), seen.iter().filter(|row| row.created >= from).count());
    let paypal = orders(&world).find(|order| order.gateway == Gateway::Paypal).unwrap();
    assert!(world.balance_transaction_of(paypal.index).is_none());
}

#[test]
fn ad_days_are_shown_when_over_and_restated_for_three_days() {
    let (today, later) = (world(2_000, HISTORY_END), world(2_000, HISTORY_END + 5 * DAY));
    let date = local_date(HISTORY_END, super::AD_ZONE);
    assert!(today.insights(date).is_empty());
    assert_eq!(today.insight_days().1, date.pred_opt().unwrap());
    let mut restated = 0;
    for day in today.insight_days().0.iter_days().take_while(|day| *day < date) {
        let age = date.signed_duration_since(day).num_days();
        let spend = |world: &World| {
            world.insights(day).iter().map(|row| (row.ad, row.spend)).collect::<Vec<_>>()
        };
        if spend(&today) != spend(&later) {
            assert!(age <= 3, "{day} changed after {age} days");
            restated += 1;
        }
    }
    assert!(restated > 0);
}

#[test]
fn money_of_every_order_holds_together() {
    let world = world(1_500, HISTORY_END);
    for order in orders(&world) {
        assert!(!order.lines.is_empty() && order.lines.len() <= 5);
        assert!(
            order
                .lines
                .iter()
                .all(|line| line.net() >= 0 && line.tax >= 0 && (1..=3).contains(&line.quantity))
        );
        assert!(order.lines.iter().all(|line| line.refunded_quantity <= line.quantity));
        assert!(order.total_refunded() <= order.total_price(), "order {}", order.index);
        assert_eq!(order.live_shipping().count(), 1);
        let cash: i64 = order
            .transactions
            .iter()
            .filter(|row| row.kind == "REFUND")
            .map(|row| row.amount)
            .sum();
        assert_eq!(cash, order.total_refunded());
        if order.cancelled.is_some() {
            assert_eq!(order.total_refunded(), order.total_price());
        }
    }
}

#[test]
fn everything_the_rules_speak_of_happens() {
    let world = world(4_000, HISTORY_END);
    let all: Vec<Order> = orders(&world).collect();
    let some = |what: &str, test: &dyn Fn(&Order) -> bool| {
        assert!(all.iter().any(test), "no {what}");
    };
    some("test order", &|order| order.is_test);
    some("guest", &|order| !order.is_test && order.customer.is_none());
    some("second account", &|order| order.customer.is_some_and(|customer| customer % 2 == 1));
    some("edited order", &|order| order.shipping_lines.iter().any(|line| line.is_removed));
    some("early cancellation", &|order| {
        order.cancelled.is_some_and(|cancelled| !cancelled.after_production)
    });
    some("late cancellation", &|order| {
        order.cancelled.is_some_and(|cancelled| cancelled.after_production)
            && order.parts.iter().any(|part| part.fulfilled_at.is_some())
    });
    some("partial refund", &|order| order.financial_status() == "PARTIALLY_REFUNDED");
    some("shipping refund", &|order| {
        order.cancelled.is_none() && order.refunds.iter().any(|refund| refund.shipping.is_some())
    });
    some("goodwill", &|order| {
        order.refunds.iter().any(|refund| refund.adjustment.is_some_and(|part| part.amount < 0))
    });
    some("restocking fee", &|order| {
        order.refunds.iter().any(|refund| refund.adjustment.is_some_and(|part| part.amount > 0))
    });
    some("two suppliers", &|order| {
        order.parts.iter().any(|part| part.is_printful)
            && order.parts.iter().any(|part| !part.is_printful)
    });
    some("split at Printify", &|order| {
        order.parts.iter().filter(|part| !part.is_printful && !part.is_reprint).count() > 1
    });
    some("two providers in one order", &|order| {
        order.parts.iter().filter(|part| !part.is_printful).any(|part| {
            let suppliers = part.lines.iter().map(|made| {
                world.catalog().supplier(order.lines[made.line_position as usize].variant / 16)
            });
            suppliers.collect::<HashSet<Option<Supplier>>>().len() > 1
        })
    });
    some("reprint", &|order| order.parts.iter().any(|part| part.is_reprint));
    some("reshipment", &|order| order.parts.iter().any(|part| part.reshipped_at.is_some()));
    let costing =
        |order: &Order| order.parts.iter().any(|part| part.state == PartState::CostCalculation);
    some("late invoice", &|order| order.created_at > HISTORY_END - 2 * DAY && costing(order));
    some("old late invoice", &|order| order.created_at < HISTORY_END - 9 * DAY && costing(order));
    some("missing supplier order", &|order| {
        order.parts.is_empty()
            && !order.is_test
            && order.created_at < HISTORY_END - 9 * DAY
            && order.cancelled.is_none()
    });
    some("supplier tax", &|order| order.parts.iter().any(|part| part.tax > 0));
    some("vat", &|order| order.parts.iter().any(|part| part.vat > 0));
    some("digitization", &|order| order.parts.iter().any(|part| part.fees.digitization > 0));
    some("delivery fee", &|order| order.parts.iter().any(|part| part.fees.retail_delivery > 0));
    some("unready journey", &|order| !order.journey.ready);
    some("repeat", &|order| order.journey.customer_order_index > 2);
    some("payment the day before", &|order| {
        local_date(order.created_at, super::SHOP_ZONE)
            != local_date(order.processed_at, super::SHOP_ZONE)
            || order.processed_at < order.created_at
    });
    some("free order", &|order| order.subtotal() == 0 || order.discount.is_some());
    let touched = all.iter().filter(|order| {
        order
            .journey
            .last_visit
            .as_ref()
            .and_then(|visit| visit.utm.as_ref())
            .is_some_and(|utm| utm.ad.is_some())
    });
    assert!(touched.count() > 500);
    for state in
        [Consent::Subscribed, Consent::Unsubscribed, Consent::NotSubscribed, Consent::Pending]
    {
        let customers = world.customers_updated(0, i64::MAX, None, usize::MAX);
        assert!(
            customers
                .iter()
                .any(|(_, customer)| world.customer(*customer).unwrap().consent == state),
            "{state:?}"
        );
    }
    assert!(world.products().iter().any(|product| !product.metafields.is_empty()));
    assert!(world.products().iter().any(|product| product.metafields.is_empty()
        && !product.tags.iter().any(|tag| tag.starts_with("aesthetic:"))));
    assert!(world.printify_orders(0, usize::MAX).iter().any(|order| order.order_type == "sample"));
    assert!(world.printify_orders(0, usize::MAX).iter().any(|order| order.order_type == "manual"));
    assert!(world.printful_orders(0, usize::MAX).iter().any(|order| order.external_id.is_none()));
    assert!(!world.outside_charges().is_empty() && !world.account_fees().is_empty());
}

#[test]
#[ignore = "measures: run with --release"]
fn a_hundred_thousand_orders_are_made_in_seconds() {
    let start = std::time::Instant::now();
    let world = world(100_000, HISTORY_END);
    println!("indexes: {:?}", start.elapsed());
    let price: i64 = orders(&world).map(|order| order.total_price()).sum();
    println!("orders: {:?}, {price} cents", start.elapsed());
    assert!(start.elapsed().as_secs() < 10);
}
