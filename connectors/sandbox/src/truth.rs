//! The true margin of every line, the costs that reached no line, and who every record belongs to.
//!
//! Computed from the world's own facts in integers, never from what was put on the wire: a warehouse that misreads
//! a vendor cannot agree with it by accident.

mod advertising;
mod allocation;
mod estimate;
mod lines;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, BufWriter, Write},
    ops::Range,
    path::Path,
    thread,
};

use advertising::{AdShares, ad_day, ad_day_number};
use estimate::PriceLists;
use lines::{COMPONENTS, Charges, Ledger, TrueLine, price};

use crate::World;
use crate::world::{
    catalog::Product,
    facts::{Gateway, Order},
    orders::marks,
    people::buyer,
    stripe::card_fee,
    supply::Part,
    vendors::{HOUSE, HousePurpose, printify_id},
};

/// Orders a thread works on before its text is written.
const BLOCK: u32 = 4_096;

/// What was written, for a summary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TruthSummary {
    pub order_lines: u64,
    /// Lines whose supplier cost is an estimate.
    pub estimated_lines: u64,
    pub unattributed_rows: u64,
    pub people_rows: u64,
    /// Signed cents by component, order lines only, in the order of the columns.
    pub by_component: Vec<(&'static str, i64)>,
    /// Signed cents by component that reached no order.
    pub unattributed_by_component: Vec<(&'static str, i64)>,
    /// Margins by the family the product's labels show (`untagged` without any), by name.
    pub by_family: Vec<(String, FamilyTotals)>,
}

/// Signed cents of a family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FamilyTotals {
    pub order_lines: u64,
    pub net_sales: i64,
    pub cm1: i64,
    pub cm2: i64,
    pub cm3: i64,
}

/// Writes `order_lines.csv`, `unattributed.csv` and `people.csv` into `dir`, which is made if it is missing.
///
/// Streams: memory does not grow with the number of lines. Fails only as the file system does.
pub fn write_truth(world: &World, dir: &Path) -> io::Result<TruthSummary> {
    fs_err::create_dir_all(dir)?;
    let shares = ad_shares(world)?;
    let mut summary = write_lines(world, &shares, dir)?;
    write_unattributed(world, &shares, dir, &mut summary)?;
    summary.people_rows = write_people(world, dir)?;
    Ok(summary)
}

/// Runs `work` over blocks of `0..count` on all cores and hands the results over in order.
fn in_blocks<T: Send>(
    count: u32,
    work: impl Fn(Range<u32>) -> T + Sync,
    mut take: impl FnMut(T) -> io::Result<()>,
) -> io::Result<()> {
    let workers =
        u32::try_from(thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    let mut start = 0;
    while start < count {
        let ranges = (0..workers).map(|worker| {
            let from = (start + worker * BLOCK).min(count);
            from..(from + BLOCK).min(count)
        });
        let results: Vec<thread::Result<T>> = thread::scope(|scope| {
            let work = &work;
            let running: Vec<_> = ranges.map(|range| scope.spawn(move || work(range))).collect();
            running.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        for result in results {
            take(result.map_err(|_| io::Error::other("a truth worker panicked"))?)?;
        }
        start += workers * BLOCK;
    }
    Ok(())
}

fn ad_shares(world: &World) -> io::Result<AdShares> {
    let (first, _) = world.insight_days();
    let mut visits = Vec::new();
    let visits_of = |range: Range<u32>| {
        let orders = range.filter_map(|i| world.order(i));
        orders
            .filter_map(|order| Some((ad_day_number(first, ad_day(&order)?)?, order.index)))
            .collect::<Vec<_>>()
    };
    in_blocks(world.order_count(), visits_of, |block| {
        visits.extend(block);
        Ok(())
    })?;
    Ok(AdShares::new(world, visits))
}

/// The card fee of an order, positive cents; 0 when no card was charged.
fn payment_fee(world: &World, order: &Order) -> i64 {
    match world.payment(order.index) {
        (Gateway::Stripe, basis_points) => card_fee(order.total_price(), basis_points),
        _ => 0,
    }
}

/// Totals and text of a block.
#[derive(Debug, Default)]
struct Block {
    text: String,
    order_lines: u64,
    estimated_lines: u64,
    by_component: [i64; COMPONENTS.len()],
    by_family: BTreeMap<String, FamilyTotals>,
}

impl Block {
    fn add(&mut self, order_id: u64, line: &TrueLine, family: &str) {
        let TrueLine { line_id, ledger, is_estimate, .. } = line;
        let amounts = ledger.amounts();
        let mut row = format!("{order_id},{line_id}");
        for cents in amounts.iter().chain(&[ledger.cm1(), ledger.cm2(), ledger.cm3()]) {
            // Writing to a String cannot fail.
            let _infallible = write!(row, ",{cents}");
        }
        row.push_str(if *is_estimate { ",estimate\n" } else { ",actual\n" });
        self.text.push_str(&row);
        self.order_lines += 1;
        self.estimated_lines += u64::from(*is_estimate);
        for (sum, cents) in self.by_component.iter_mut().zip(amounts) {
            *sum += cents;
        }
        if !self.by_family.contains_key(family) {
            self.by_family.insert(family.to_owned(), FamilyTotals::default());
        }
        if let Some(totals) = self.by_family.get_mut(family) {
            totals.add(ledger);
        }
    }
}

impl FamilyTotals {
    fn add(&mut self, ledger: &Ledger) {
        self.order_lines += 1;
        self.net_sales += ledger.net_sales();
        self.cm1 += ledger.cm1();
        self.cm2 += ledger.cm2();
        self.cm3 += ledger.cm3();
    }

    fn merge(&mut self, other: Self) {
        self.order_lines += other.order_lines;
        self.net_sales += other.net_sales;
        self.cm1 += other.cm1;
        self.cm2 += other.cm2;
        self.cm3 += other.cm3;
    }
}

/// The family a product's labels show: its tag, else its metafield.
fn shown_family(product: &Product) -> Option<&str> {
    let tag = product.tags.iter().find_map(|tag| tag.strip_prefix("aesthetic:"));
    tag.or_else(|| {
        let mut fields = product.metafields.iter();
        fields
            .find(|field| field.namespace == "inkhouse" && field.key == "aesthetic")
            .map(|field| field.value.as_str())
    })
}

fn write_lines(world: &World, shares: &AdShares, dir: &Path) -> io::Result<TruthSummary> {
    let prices = PriceLists::new(world);
    let mut file = BufWriter::new(fs_err::File::create(dir.join("order_lines.csv"))?);
    writeln!(file, "order_id,order_line_id,{},cm1,cm2,cm3,basis", COMPONENTS.join(","))?;
    let block_of = |range: Range<u32>| {
        let mut block = Block::default();
        for order in range.filter_map(|i| world.order(i)) {
            let charges = Charges {
                payment_fee: payment_fee(world, &order),
                ad_spend: shares.of(order.index),
            };
            for line in price(&order, &prices, charges) {
                let family =
                    world.variant(line.variant).and_then(|(product, _)| shown_family(product));
                block.add(order.id, &line, family.unwrap_or("untagged"));
            }
        }
        block
    };
    let mut all = Block::default();
    in_blocks(world.order_count(), block_of, |block| {
        file.write_all(block.text.as_bytes())?;
        all.order_lines += block.order_lines;
        all.estimated_lines += block.estimated_lines;
        for (sum, cents) in all.by_component.iter_mut().zip(block.by_component) {
            *sum += cents;
        }
        for (family, totals) in block.by_family {
            all.by_family.entry(family).or_default().merge(totals);
        }
        Ok(())
    })?;
    file.flush()?;
    Ok(TruthSummary {
        order_lines: all.order_lines,
        estimated_lines: all.estimated_lines,
        by_component: COMPONENTS.into_iter().zip(all.by_component).collect(),
        by_family: all.by_family.into_iter().collect(),
        ..TruthSummary::default()
    })
}

/// A cost that reached no order line; `cents` as in the ledger: costs are negative.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unattributed {
    source: &'static str,
    document_id: String,
    component: &'static str,
    cents: i64,
    reason: &'static str,
}

fn write_unattributed(
    world: &World,
    shares: &AdShares,
    dir: &Path,
    summary: &mut TruthSummary,
) -> io::Result<()> {
    let mut file = BufWriter::new(fs_err::File::create(dir.join("unattributed.csv"))?);
    writeln!(file, "source,document_id,component,amount_cents,reason")?;
    let mut totals: BTreeMap<&'static str, i64> = BTreeMap::new();
    for row in unattributed(world, shares) {
        let Unattributed { source, document_id, component, cents, reason } = row;
        writeln!(file, "{source},{document_id},{component},{cents},{reason}")?;
        summary.unattributed_rows += 1;
        *totals.entry(component).or_default() += cents;
    }
    summary.unattributed_by_component = totals.into_iter().collect();
    file.flush()
}

/// Every cost without an order, zero amounts left out.
fn unattributed(world: &World, shares: &AdShares) -> Vec<Unattributed> {
    let mut rows = Vec::new();
    for (is_printful, source) in [(false, "printify"), (true, "printful")] {
        for house in world.house_orders(is_printful) {
            if house.purpose == HousePurpose::Draft || !house.part.is_costed {
                continue;
            }
            let code = HOUSE | house.number;
            let document_id = match world.printful_order_of(code).filter(|_| is_printful) {
                Some(order) => order.id.to_string(),
                None => printify_id(house.part.created_at, code),
            };
            let reason = if house.purpose == HousePurpose::Manual {
                "no_matching_order"
            } else {
                "sample_order"
            };
            let costs = part_costs(&house.part);
            rows.extend(costs.into_iter().map(|(component, cents)| Unattributed {
                source,
                document_id: document_id.clone(),
                component,
                cents,
                reason,
            }));
        }
    }
    let stripe = |document_id: String, cents: i64| Unattributed {
        source: "stripe",
        document_id,
        component: "payment_fee",
        cents: -cents,
        reason: "no_matching_order",
    };
    rows.extend(
        world
            .outside_charges()
            .into_iter()
            .map(|charge| stripe(charge.transaction_id(), charge.fee)),
    );
    rows.extend(
        world.account_fees().into_iter().map(|fee| stripe(fee.transaction_id(), fee.amount)),
    );
    rows.extend(shares.unattributed.iter().map(|(document_id, cents)| Unattributed {
        source: "meta",
        document_id: document_id.clone(),
        component: "ad_spend",
        cents: -cents,
        reason: "no_attributed_order",
    }));
    rows.retain(|row| row.cents != 0);
    rows
}

fn part_costs(part: &Part) -> [(&'static str, i64); 5] {
    let base: i64 = part.lines.iter().map(|line| line.unit_cost * line.quantity).sum();
    let by_line: i64 = part.lines.iter().map(|line| line.shipping_cost).sum();
    [
        ("base_cost", -base),
        ("supplier_discount", part.discount),
        ("supplier_fee", -part.fees.total()),
        ("shipping_cost", -(by_line + part.shipping)),
        ("supplier_tax", -(part.tax + part.vat)),
    ]
}

/// One row a record: which person it belongs to and what that person likes best.
fn write_people(world: &World, dir: &Path) -> io::Result<u64> {
    let mut file = BufWriter::new(fs_err::File::create(dir.join("people.csv"))?);
    writeln!(file, "record_type,record_id,person_id,favourite_family")?;
    let mut rows = 0;
    let mut text = String::new();
    for person in 0..world.person_count() {
        let orders = world.orders_of_person(person);
        let mut records: Vec<(&str, String)> = Vec::new();
        for i in orders {
            let marks = marks(world.seed(), *i, buyer(world.seed(), *i));
            let customer = marks
                .customer
                .map(|customer| ("customer", world.customer_id(customer).to_string()));
            let device = marks.device_slot.map(|slot| ("device", world.device(person, slot)));
            let email = ("email", world.email(person, marks.email_slot));
            for record in [customer, Some(email), device].into_iter().flatten() {
                if !records.contains(&record) {
                    records.push(record);
                }
            }
            records.push(("order", world.order_id(*i).to_string()));
        }
        text.clear();
        let family = world.favourite_family(person);
        for (kind, id) in &records {
            // Writing to a String cannot fail.
            let _infallible = writeln!(text, "{kind},{id},p{person},{family}");
            rows += 1;
        }
        file.write_all(text.as_bytes())?;
    }
    file.flush()?;
    Ok(rows)
}
