//! How an order is made: which supplier orders it becomes, when, and what they cost.

use super::basket::round_share;
use super::{
    calendar::{DAY, HOUR},
    catalog::Catalog,
    dice::{Dice, Purpose},
    facts::{Cancellation, Destination, Line},
    supply::{Link, Part, PartLine, PartState, PrintfulFees, Supplier},
    tables::{PROVIDERS, Zone, place_of},
    variants::{VariantKey, printify_rate},
};

/// Number of the Printful part of an order; Printify's are 0 to 2.
pub(crate) const PRINTFUL_PART: u8 = 3;
/// A reprint's number is this much above the part it replaces.
pub(crate) const REPRINT: u8 = 4;

/// What sourcing needs of an order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) order: u32,
    pub(crate) created_at: i64,
    pub(crate) destination: &'a Destination,
    pub(crate) lines: &'a [Line],
    /// Set when the buyer cancels before production.
    pub(crate) cancelled_at: Option<i64>,
}

/// All supplier orders this order will ever have, with their times; `show` hides what is still to come.
pub(crate) fn parts(seed: u64, catalog: &Catalog, job: &Job<'_>) -> Vec<Part> {
    let mut dice = Dice::new(seed, Purpose::Supply, u64::from(job.order));
    let mut parts = printify_parts(&mut dice, catalog, job);
    parts.extend(printful_part(&mut dice, catalog, job));
    parts
}

fn lines_of<'a>(
    catalog: &'a Catalog,
    job: &'a Job<'_>,
    supplier: Supplier,
) -> impl Iterator<Item = &'a Line> {
    job.lines.iter().filter(move |line| {
        catalog.supplier(VariantKey::new(line.variant).product) == Some(supplier)
    })
}

fn link(dice: &mut Dice) -> Link {
    match dice.below(20) {
        0 => Link::Sku,
        1..=4 => Link::MetadataExternalId,
        _ => Link::ExternalId,
    }
}

fn printify_parts(dice: &mut Dice, catalog: &Catalog, job: &Job<'_>) -> Vec<Part> {
    let mut groups: Vec<Vec<(u32, &Line)>> = Vec::new();
    let is_split = dice.chance(5_000);
    for (provider, _) in PROVIDERS {
        let lines: Vec<_> = lines_of(catalog, job, Supplier::Printify { provider })
            .map(|line| (provider, line))
            .collect();
        match groups.last_mut() {
            _ if lines.is_empty() => {}
            Some(group) if !is_split => group.extend(lines),
            _ => groups.push(lines),
        }
    }
    let mut parts = Vec::with_capacity(groups.len());
    for (number, group) in (0_u8..).zip(groups) {
        let delay = match dice.below(10_000) {
            0..=14 => continue, // Never reached Printify: priced by estimate for good.
            15..=400 => dice.between(12 * HOUR, 60 * HOUR),
            _ => dice.between(600, 2 * HOUR),
        };
        let created_at = job.created_at + delay;
        let part = printify_part(dice, job, number, created_at, &group);
        if job.cancelled_at.is_some_and(|at| at <= created_at) {
            continue;
        }
        let reprint = dice.chance(180).then(|| reprint(dice, &part)).flatten();
        parts.push(part);
        if let Some((at, reprint)) = reprint {
            if let Some(part) = parts.last_mut() {
                part.reprinted_by = Some(at);
            }
            parts.push(reprint);
        }
    }
    parts
}

fn printify_part(
    dice: &mut Dice,
    job: &Job<'_>,
    number: u8,
    created_at: i64,
    group: &[(u32, &Line)],
) -> Part {
    let costed_at = match dice.below(1_000) {
        0..=2 => None, // Stuck: the invoice never comes.
        3..=430 => Some(created_at + dice.between(2 * HOUR, 46 * HOUR)),
        _ => Some(created_at + dice.between(600, 2_400)),
    };
    let production = costed_at.map(|at| at + dice.between(6 * HOUR, 30 * HOUR));
    let fulfilled = production.map(|at| at + dice.between(DAY, 5 * DAY));
    let is_express = dice.chance(400);
    let mut lines: Vec<PartLine> = Vec::with_capacity(group.len());
    for (provider, line) in group {
        let key = VariantKey::new(line.variant);
        let routed = if dice.chance(500) { 37 } else { 0 };
        lines.push(PartLine {
            line_position: line.position,
            quantity: line.quantity,
            unit_cost: key.printify_cost(*provider, created_at) + routed,
            shipping_cost: 0,
            link: link(dice),
        });
    }
    for (provider, _) in PROVIDERS {
        ship(job, provider, group, &mut lines);
    }
    if is_express && let Some(line) = lines.first_mut() {
        line.shipping_cost += 700;
    }
    let charged: i64 =
        lines.iter().map(|line| line.unit_cost * line.quantity + line.shipping_cost).sum();
    let rate = place_of(job.destination.country, job.destination.province)
        .map_or(0, |place| place.supplier_tax_ppm);
    let tax = if dice.chance(7_000) { round_share(charged, rate, 1_000_000) } else { 0 };
    Part {
        number,
        is_printful: false,
        is_reprint: false,
        reprinted_by: None,
        created_at,
        state: PartState::CostCalculation,
        is_costed: false,
        costed_at,
        sent_to_production_at: production,
        fulfilled_at: fulfilled,
        delivered_at: fulfilled.map(|at| at + dice.between(2 * DAY, 9 * DAY)),
        is_express,
        lines,
        tax,
        vat: 0,
        shipping: 0,
        discount: 0,
        fees: PrintfulFees::default(),
        reshipped_at: None,
    }
}

/// One provider's shipping: one unit of the dearest first item pays first, every other unit additional.
fn ship(job: &Job<'_>, provider: u32, group: &[(u32, &Line)], lines: &mut [PartLine]) {
    let zone = Zone::of(job.destination.country);
    let mut dearest: Option<(i64, usize, i64)> = None;
    for (at, ((other, line), part)) in group.iter().zip(lines.iter_mut()).enumerate() {
        if *other != provider {
            continue;
        }
        let key = VariantKey::new(line.variant);
        let (first, additional) = printify_rate(key.kind, provider, key.size().is_large, zone);
        part.shipping_cost = additional * line.quantity;
        if dearest.is_none_or(|(most, _, _)| first > most) {
            dearest = Some((first, at, additional));
        }
    }
    if let Some((first, at, additional)) = dearest
        && let Some(part) = lines.get_mut(at)
    {
        part.shipping_cost += first - additional;
    }
}

/// A free second print of one unit, some time after the first one was shipped.
fn reprint(dice: &mut Dice, part: &Part) -> Option<(u8, Part)> {
    let created_at = part.fulfilled_at? + dice.between(8 * DAY, 20 * DAY);
    let line = part.lines.get(dice.position(part.lines.len()))?;
    let production = created_at + dice.between(6 * HOUR, DAY);
    let fulfilled = production + dice.between(DAY, 4 * DAY);
    let mut copy = part.clone();
    copy.number = part.number + REPRINT;
    copy.is_reprint = true;
    copy.created_at = created_at;
    copy.costed_at = Some(created_at);
    copy.sent_to_production_at = Some(production);
    copy.fulfilled_at = Some(fulfilled);
    copy.delivered_at = Some(fulfilled + dice.between(2 * DAY, 8 * DAY));
    copy.is_express = false;
    copy.tax = 0;
    copy.lines = vec![PartLine { quantity: 1, unit_cost: 0, shipping_cost: 0, ..*line }];
    Some((copy.number, copy))
}

fn printful_part(dice: &mut Dice, catalog: &Catalog, job: &Job<'_>) -> Option<Part> {
    let mut lines = Vec::new();
    let mut shipping = 0;
    let mut dearest = 0;
    for line in lines_of(catalog, job, Supplier::Printful) {
        let key = VariantKey::new(line.variant);
        let zone = Zone::of(job.destination.country);
        let (first, additional) = key.kind.printful_shipping;
        let (first, additional) = (zone.price(first), zone.price(additional));
        shipping += additional * line.quantity;
        dearest = dearest.max(first - additional);
        lines.push(PartLine {
            line_position: line.position,
            quantity: line.quantity,
            unit_cost: key.printful_price(job.created_at),
            shipping_cost: 0,
            link: if dice.chance(600) { Link::Sku } else { Link::ExternalId },
        });
    }
    if lines.is_empty() {
        return None;
    }
    shipping += dearest;
    let subtotal: i64 = lines.iter().map(|line| line.unit_cost * line.quantity).sum();
    let discount = if dice.chance(1_200) { round_share(subtotal, 10, 100) } else { 0 };
    let fees = PrintfulFees {
        digitization: if dice.chance(250) { 650 } else { 0 },
        additional: if dice.chance(200) { 149 } else { 0 },
        fulfillment: if dice.chance(100) { 99 } else { 0 },
        retail_delivery: match job.destination.province {
            "CO" => 29,
            "MN" => 50,
            _ => 0,
        },
    };
    let place = place_of(job.destination.country, job.destination.province);
    let taxed = subtotal - discount + shipping + fees.total();
    let production = job.created_at + dice.between(12 * HOUR, 40 * HOUR);
    let fulfilled = production + dice.between(DAY, 5 * DAY);
    let delivered = fulfilled + dice.between(2 * DAY, 9 * DAY);
    Some(Part {
        number: PRINTFUL_PART,
        is_printful: true,
        is_reprint: false,
        reprinted_by: None,
        created_at: job.created_at,
        state: PartState::OnHold,
        is_costed: true,
        costed_at: Some(job.created_at),
        sent_to_production_at: Some(production),
        fulfilled_at: Some(fulfilled),
        delivered_at: Some(delivered),
        is_express: false,
        lines,
        tax: round_share(taxed, place.map_or(0, |place| place.supplier_tax_ppm), 1_000_000),
        vat: round_share(taxed, place.map_or(0, |place| place.supplier_vat_ppm), 1_000_000),
        shipping,
        discount,
        fees,
        reshipped_at: dice.chance(150).then(|| delivered + dice.between(3 * DAY, 12 * DAY)),
    })
}

/// Hides from the parts what happens after `as_of`.
pub(crate) fn show(parts: &mut Vec<Part>, as_of: i64, cancelled: Option<Cancellation>) {
    let undone = cancelled.is_some_and(|cancelled| !cancelled.after_production);
    parts.retain(|part| part.created_at <= as_of && !(undone && part.is_reprint));
    let numbers: u32 = parts.iter().map(|part| 1 << part.number).sum();
    for part in parts.iter_mut() {
        let past = |at: Option<i64>| at.filter(|at| *at <= as_of && !undone);
        part.sent_to_production_at = past(part.sent_to_production_at);
        part.fulfilled_at = past(part.fulfilled_at);
        part.delivered_at = past(part.delivered_at);
        part.reshipped_at = past(part.reshipped_at);
        part.reprinted_by = part.reprinted_by.filter(|number| numbers & (1 << number) != 0);
        part.is_costed = part.costed_at.is_some_and(|at| at <= as_of);
        part.costed_at = part.costed_at.filter(|_| part.is_costed);
        part.state = if undone {
            PartState::Canceled
        } else if part.fulfilled_at.is_some() {
            PartState::Fulfilled
        } else if part.sent_to_production_at.is_some() {
            PartState::InProduction
        } else if part.is_costed {
            PartState::OnHold
        } else {
            PartState::CostCalculation
        };
    }
}
