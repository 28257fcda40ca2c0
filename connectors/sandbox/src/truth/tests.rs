//! Tests of truth on whole worlds.

use std::collections::HashMap;

use super::{
    estimate::PriceLists,
    lines::{COMPONENTS, Charges, Ledger, price},
    *,
};
use crate::world::{
    WorldOptions,
    facts::{Line, Refund, RefundLine, ShippingLine},
    supply::{Link, PartLine, PartState, PrintfulFees},
};

/// (line amounts by component, is estimate) of `order_lines.csv`, and `unattributed.csv` by (source, component).
type Written = (Vec<([i64; 13], bool)>, HashMap<(String, String), i64>);

fn written(world: &World) -> (TruthSummary, Written) {
    let dir = tempfile::tempdir().unwrap();
    let summary = write_truth(world, dir.path()).unwrap();
    let text = fs_err::read_to_string(dir.path().join("order_lines.csv")).unwrap();
    let rows = text.lines().skip(1).map(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        let amounts: [i64; 13] = std::array::from_fn(|at| cells[2 + at].parse().unwrap());
        let cm3: i64 = cells[17].parse().unwrap();
        assert_eq!(amounts.iter().sum::<i64>(), cm3);
        (amounts, cells[18] == "estimate")
    });
    let rows = rows.collect();
    let mut lost = HashMap::new();
    for row in fs_err::read_to_string(dir.path().join("unattributed.csv")).unwrap().lines().skip(1)
    {
        let cells: Vec<&str> = row.split(',').collect();
        *lost.entry((cells[0].to_owned(), cells[2].to_owned())).or_default() +=
            cells[3].parse::<i64>().unwrap();
    }
    (summary, (rows, lost))
}

fn column(name: &str) -> usize {
    COMPONENTS.iter().position(|component| *component == name).unwrap()
}

#[test]
fn every_cent_of_the_documents_is_on_a_line_or_unattributed() {
    let world = World::new(WorldOptions { orders: 1_500, ..WorldOptions::default() });
    let (summary, (rows, lost)) = written(&world);
    let lost_of = |name: &str| -> i64 {
        lost.iter()
            .filter(|((_, component), _)| component == name)
            .map(|(_, cents)| cents)
            .sum::<i64>()
    };
    let actual = |name: &str| -> i64 {
        rows.iter()
            .filter(|(_, estimate)| !estimate)
            .map(|(amounts, _)| amounts[column(name)])
            .sum::<i64>()
            + lost_of(name)
    };
    let all = |name: &str| -> i64 {
        rows.iter().map(|(amounts, _)| amounts[column(name)]).sum::<i64>() + lost_of(name)
    };

    let orders: Vec<Order> = (0..world.order_count())
        .filter_map(|i| world.order(i))
        .filter(|order| !order.is_test)
        .collect();
    assert_eq!(rows.len(), orders.iter().map(|order| order.lines.len()).sum::<usize>());
    assert_eq!(
        all("product_revenue") + all("discount"),
        orders.iter().map(Order::subtotal).sum::<i64>()
    );
    assert_eq!(all("shipping_revenue"), orders.iter().map(Order::total_shipping).sum::<i64>());
    let refunds = || orders.iter().flat_map(|order| &order.refunds);
    assert_eq!(
        all("refund"),
        -refunds().flat_map(|refund| &refund.lines).map(|line| line.subtotal).sum::<i64>()
    );
    assert_eq!(
        all("shipping_refund"),
        -refunds().filter_map(|refund| refund.shipping).map(|part| part.subtotal).sum::<i64>()
    );
    assert_eq!(
        all("order_adjustment"),
        refunds().filter_map(|refund| refund.adjustment).map(|part| part.amount).sum::<i64>()
    );

    // What the suppliers list, as the vendors' own documents say it.
    let printify: Vec<_> = world
        .printify_orders(0, usize::MAX)
        .into_iter()
        .filter(|order| order.status != "canceled")
        .collect();
    let printful: Vec<_> = world
        .printful_orders(0, usize::MAX)
        .into_iter()
        .filter(|order| !matches!(order.status, "canceled" | "draft"))
        .collect();
    let bases: i64 = printify
        .iter()
        .flat_map(|order| &order.lines)
        .map(|line| line.cost * line.quantity)
        .sum::<i64>();
    assert_eq!(
        actual("base_cost"),
        -bases - printful.iter().map(|order| order.subtotal).sum::<i64>()
    );
    let shipping: i64 = printify.iter().map(|order| order.total_shipping).sum::<i64>();
    assert_eq!(
        actual("shipping_cost"),
        -shipping - printful.iter().map(|order| order.shipping).sum::<i64>()
    );
    let taxes: i64 = printify.iter().map(|order| order.total_tax).sum::<i64>();
    assert_eq!(
        all("supplier_tax"),
        -taxes - printful.iter().map(|order| order.tax + order.vat).sum::<i64>()
    );
    assert_eq!(all("supplier_discount"), printful.iter().map(|order| order.discount).sum::<i64>());
    assert_eq!(all("supplier_fee"), -printful.iter().map(|order| order.fees.total()).sum::<i64>());

    let moved = world.stripe_balance_transactions(None, None, None, usize::MAX).unwrap().rows;
    let fees: i64 = moved
        .iter()
        .map(|row| if row.kind == "stripe_fee" { -row.amount } else { row.fee })
        .sum::<i64>();
    assert_eq!(all("payment_fee"), -fees);
    let (first, last) = world.insight_days();
    let spend: i64 = first
        .iter_days()
        .take_while(|date| *date <= last)
        .flat_map(|date| world.insights(date))
        .map(|row| row.spend)
        .sum::<i64>();
    assert_eq!(all("ad_spend"), -spend);
    assert!(lost.contains_key(&("meta".to_owned(), "ad_spend".to_owned())));
    assert!(rows.iter().any(|(amounts, _)| amounts[column("ad_spend")] < 0));

    assert!(summary.estimated_lines > 0);
    assert_eq!(usize::try_from(summary.order_lines), Ok(rows.len()));
    let families: i64 = summary.by_family.iter().map(|(_, totals)| totals.cm3).sum::<i64>();
    assert_eq!(families, summary.by_component.iter().map(|(_, cents)| cents).sum::<i64>());
    assert!(summary.by_family.iter().any(|(name, _)| name == "untagged"));
}

#[test]
fn truth_is_written_the_same_twice() {
    let world = World::new(WorldOptions { orders: 300, ..WorldOptions::default() });
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for dir in &dirs {
        write_truth(&world, dir.path()).unwrap();
    }
    for name in ["order_lines.csv", "unattributed.csv", "people.csv"] {
        let [one, other] =
            dirs.each_ref().map(|dir| fs_err::read_to_string(dir.path().join(name)).unwrap());
        assert_eq!(one, other, "{name}");
        assert!(one.lines().count() > 5, "{name}");
    }
    let people = fs_err::read_to_string(dirs[0].path().join("people.csv")).unwrap();
    for kind in ["customer,", "email,", "device,", "order,"] {
        assert!(people.lines().any(|row| row.starts_with(kind)), "{kind}");
    }
}

fn golden_line(id: u64, unit_price: i64, quantity: i64, code_discount: i64) -> Line {
    let position = u32::try_from(id - 1).unwrap();
    Line {
        id,
        position,
        variant: 0,
        quantity,
        unit_price,
        line_discount: 0,
        code_discount,
        tax: 0,
        refunded_quantity: 0,
    }
}

/// The golden order of the domain notes, with the tees shipped for these cents.
fn golden(world: &World, tees_shipping: i64, refund: Option<Refund>) -> Order {
    let mut order = world.order(0).unwrap();
    order.is_test = false;
    order.cancelled = None;
    order.lines = vec![golden_line(1, 4_900, 1, 490), golden_line(2, 2_500, 2, 500)];
    order.shipping_lines = vec![ShippingLine {
        id: 1,
        title: "Standard",
        code: "standard",
        is_removed: false,
        price: 599,
        discount: 0,
        tax: 0,
    }];
    order.refunds = refund.into_iter().collect();
    let made = |line_position, quantity, unit_cost, shipping_cost| PartLine {
        line_position,
        quantity,
        unit_cost,
        shipping_cost,
        link: Link::ExternalId,
    };
    order.parts = vec![Part {
        number: 0,
        is_printful: false,
        is_reprint: false,
        reprinted_by: None,
        created_at: order.created_at,
        state: PartState::Fulfilled,
        is_costed: true,
        costed_at: Some(order.created_at),
        sent_to_production_at: None,
        fulfilled_at: None,
        delivered_at: None,
        is_express: false,
        lines: vec![made(0, 1, 2_250, 849), made(1, 2, 920, tees_shipping)],
        tax: 0,
        vat: 0,
        shipping: 0,
        discount: 0,
        fees: PrintfulFees::default(),
        reshipped_at: None,
    }];
    order
}

#[test]
fn the_golden_order_keeps_its_published_margins() {
    let world = World::new(WorldOptions { orders: 50, ..WorldOptions::default() });
    let prices = PriceLists::new(&world);
    assert_eq!(card_fee(10_252, 290), 327);
    let charges = Charges { payment_fee: 327, ad_spend: 2_400 };
    let margins = |order: &Order| {
        price(order, &prices, charges).iter().map(|line| line.ledger).collect::<Vec<Ledger>>()
    };

    let plain = margins(&golden(&world, 480, None));
    assert_eq!(plain.iter().map(Ledger::net_sales).collect::<Vec<_>>(), [4_410, 4_500]);
    assert_eq!(plain.iter().map(Ledger::cm2).collect::<Vec<_>>(), [1_445, 2_318]);
    assert_eq!(plain.iter().map(Ledger::cm3).sum::<i64>(), 1_363);

    let tee = RefundLine {
        id: 1,
        line_id: 2,
        line_position: 1,
        quantity: 1,
        restock_type: "NO_RESTOCK",
        subtotal: 2_250,
        tax: 0,
    };
    let refund = Refund {
        id: 1,
        position: 0,
        created_at: 0,
        note: "",
        lines: vec![tee],
        shipping: None,
        adjustment: None,
    };
    let refunded = margins(&golden(&world, 480, Some(refund)));
    assert_eq!(refunded.iter().map(Ledger::cm2).collect::<Vec<_>>(), [1_445, 68]);
    assert_eq!(refunded.iter().map(Ledger::cm3).sum::<i64>(), -887);

    let elsewhere = margins(&golden(&world, 475 + 240, None));
    assert_eq!(elsewhere.iter().map(Ledger::cm2).sum::<i64>(), 3_528);
}

#[test]
#[ignore = "measures: run with --release"]
fn the_truth_of_a_million_orders_is_written_in_seconds() {
    let start = std::time::Instant::now();
    let world = World::new(WorldOptions { orders: 1_000_000, ..WorldOptions::default() });
    println!("world: {:?}", start.elapsed());
    let dir = tempfile::tempdir().unwrap();
    let summary = write_truth(&world, dir.path()).unwrap();
    println!("truth: {:?}: {summary:#?}", start.elapsed());
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or(""));
}
