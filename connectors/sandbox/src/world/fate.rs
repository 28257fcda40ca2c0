//! What becomes of an order after the sale: cancelled, refunded in part or whole, or simply delivered.

use super::{
    calendar::{DAY, HOUR},
    dice::{Dice, Purpose, index},
    facts::{Adjustment, Cancellation, Line, Refund, RefundLine, RefundShipping, ShippingLine},
    ids::Shopify,
    supply::Part,
};

/// Refunds of an order have counters `REFUND_STRIDE * order + position`.
pub(crate) const REFUND_STRIDE: u64 = 4;

/// The kind of ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Kept,
    CancelledBefore,
    CancelledAfter,
    Partial,
    Goodwill,
    Returned,
    PartialThenGoodwill,
}

/// The ending of order `i` and the draws that follow from it.
pub(crate) fn ending(seed: u64, i: u32) -> (Ending, Dice) {
    let mut dice = Dice::new(seed, Purpose::Fate, u64::from(i));
    let ending = match dice.below(1_000) {
        0..=14 => Ending::CancelledBefore,
        15..=22 => Ending::CancelledAfter,
        23..=61 => Ending::Partial,
        62..=76 => Ending::Goodwill,
        77..=86 => Ending::Returned,
        87..=92 => Ending::PartialThenGoodwill,
        _ => Ending::Kept,
    };
    (ending, dice)
}

/// A cancellation before production needs no knowledge of the suppliers.
pub(crate) fn early_cancellation(
    ending: Ending,
    dice: &mut Dice,
    created_at: i64,
) -> Option<Cancellation> {
    (ending == Ending::CancelledBefore).then(|| Cancellation {
        at: created_at + dice.between(600, 3 * HOUR),
        reason: dice.pick(&["CUSTOMER", "CUSTOMER", "FRAUD", "OTHER"], "OTHER"),
        after_production: false,
    })
}

/// A cancellation after production comes when the last part is being made.
pub(crate) fn late_cancellation(
    ending: Ending,
    dice: &mut Dice,
    created_at: i64,
    parts: &[Part],
) -> Option<Cancellation> {
    (ending == Ending::CancelledAfter).then(|| {
        let made = parts
            .iter()
            .filter(|part| !part.is_reprint)
            .filter_map(|part| part.sent_to_production_at)
            .max();
        Cancellation {
            at: made.unwrap_or(created_at + 2 * DAY) + dice.between(2 * HOUR, 30 * HOUR),
            reason: dice.pick(&["CUSTOMER", "OTHER"], "OTHER"),
            after_production: true,
        }
    })
}

/// What refunds are made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sale<'a> {
    pub(crate) order: u32,
    pub(crate) created_at: i64,
    pub(crate) lines: &'a [Line],
    pub(crate) shipping: Option<&'a ShippingLine>,
    pub(crate) cancelled: Option<Cancellation>,
}

impl Sale<'_> {
    fn refund(&self, position: u32, created_at: i64, note: &'static str) -> Refund {
        let id = Shopify::Refund.id(self.counter(position));
        Refund {
            id,
            position,
            created_at,
            note,
            lines: Vec::new(),
            shipping: None,
            adjustment: None,
        }
    }

    fn counter(&self, position: u32) -> u64 {
        u64::from(self.order) * REFUND_STRIDE + u64::from(position)
    }

    fn line(
        &self,
        refund: u32,
        line: &Line,
        quantity: i64,
        restock_type: &'static str,
    ) -> RefundLine {
        let share = |cents: i64| {
            if quantity == line.quantity { cents } else { cents * quantity / line.quantity.max(1) }
        };
        RefundLine {
            id: Shopify::RefundLine.id(self.counter(refund) * 8 + u64::from(line.position)),
            line_id: line.id,
            line_position: line.position,
            quantity,
            restock_type,
            subtotal: share(line.net()),
            tax: share(line.tax),
        }
    }

    fn shipping(&self, refund: u32, is_half: bool) -> Option<RefundShipping> {
        let line = self.shipping.filter(|line| line.discounted() > 0)?;
        let share = |cents: i64| if is_half { cents / 2 } else { cents };
        Some(RefundShipping {
            id: Shopify::RefundShipping.id(self.counter(refund)),
            shipping_line_id: line.id,
            subtotal: share(line.discounted()),
            tax: share(line.tax),
        })
    }

    fn adjustment(&self, refund: u32, amount: i64) -> Adjustment {
        Adjustment {
            id: Shopify::Adjustment.id(self.counter(refund)),
            reason: "REFUND_DISCREPANCY",
            amount,
            tax: 0,
        }
    }

    fn everything(&self, at: i64, note: &'static str, restock_type: &'static str) -> Refund {
        let mut refund = self.refund(0, at, note);
        refund.lines =
            self.lines.iter().map(|line| self.line(0, line, line.quantity, restock_type)).collect();
        refund.shipping = self.shipping(0, false);
        refund
    }

    fn partial(&self, dice: &mut Dice, at: i64) -> Refund {
        let mut refund = self.refund(0, at, "print fault");
        if let Some(line) = self.lines.get(dice.position(self.lines.len())) {
            let quantity = dice.between(1, line.quantity);
            refund.lines.push(self.line(0, line, quantity, "NO_RESTOCK"));
        }
        if dice.chance(2_500) {
            refund.shipping = self.shipping(0, dice.chance(4_000));
        }
        let subtotal: i64 = refund.lines.iter().map(|line| line.subtotal).sum();
        if subtotal > 1_000 && dice.chance(1_200) {
            refund.adjustment = Some(self.adjustment(0, 200));
        }
        refund
    }

    /// Every refund there will ever be, oldest first.
    pub(crate) fn refunds(&self, ending: Ending, mut dice: Dice) -> Vec<Refund> {
        let later = self.created_at + dice.between(5 * DAY, 35 * DAY);
        let net: i64 = self.lines.iter().map(Line::net).sum();
        let goodwill = |dice: &mut Dice, left: i64| -dice.between(100, 1_000).min(left / 2);
        match (ending, self.cancelled) {
            (_, Some(cancelled)) => vec![self.everything(cancelled.at, "cancelled", "CANCEL")],
            (Ending::Partial, _) => vec![self.partial(&mut dice, later)],
            (Ending::Returned, _) => vec![self.everything(later, "lost in transit", "NO_RESTOCK")],
            (Ending::Goodwill, _) if net >= 200 => {
                let mut refund = self.refund(0, later, "late delivery");
                refund.adjustment = Some(self.adjustment(0, goodwill(&mut dice, net)));
                vec![refund]
            }
            (Ending::PartialThenGoodwill, _) => {
                let first = self.partial(&mut dice, later);
                let left = net - first.lines.iter().map(|line| line.subtotal).sum::<i64>();
                let mut all = vec![first];
                if left >= 200 {
                    let mut second =
                        self.refund(1, later + dice.between(2 * DAY, 9 * DAY), "late delivery");
                    second.adjustment = Some(self.adjustment(1, goodwill(&mut dice, left)));
                    all.push(second);
                }
                all
            }
            _ => Vec::new(),
        }
    }
}

/// Marks what has been given back on the lines.
pub(crate) fn mark_refunded(lines: &mut [Line], refunds: &[Refund]) {
    for given in refunds.iter().flat_map(|refund| &refund.lines) {
        if let Some(line) = lines.get_mut(index(u64::from(given.line_position))) {
            line.refunded_quantity += given.quantity;
        }
    }
}
