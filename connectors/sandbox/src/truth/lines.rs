//! One order's lines with every component: the business rules R2 to R11 in signed cents.
//!
//! Revenue is positive, costs are negative; what a component does to the margin is its sign.

use super::{
    allocation::{Claim, allocate},
    estimate::PriceLists,
};
use crate::world::{
    facts::Order,
    supply::{Part, PartState},
};

/// The components, in the order of the columns.
pub(crate) const COMPONENTS: [&str; 13] = [
    "product_revenue",
    "discount",
    "refund",
    "shipping_revenue",
    "shipping_refund",
    "order_adjustment",
    "base_cost",
    "supplier_discount",
    "supplier_fee",
    "shipping_cost",
    "supplier_tax",
    "payment_fee",
    "ad_spend",
];

/// Signed cents of one line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) product_revenue: i64,
    pub(crate) discount: i64,
    pub(crate) refund: i64,
    pub(crate) shipping_revenue: i64,
    pub(crate) shipping_refund: i64,
    pub(crate) order_adjustment: i64,
    pub(crate) base_cost: i64,
    pub(crate) supplier_discount: i64,
    pub(crate) supplier_fee: i64,
    pub(crate) shipping_cost: i64,
    pub(crate) supplier_tax: i64,
    pub(crate) payment_fee: i64,
    pub(crate) ad_spend: i64,
}

impl Ledger {
    /// The amounts in the order of [`COMPONENTS`].
    pub(crate) const fn amounts(&self) -> [i64; 13] {
        [
            self.product_revenue,
            self.discount,
            self.refund,
            self.shipping_revenue,
            self.shipping_refund,
            self.order_adjustment,
            self.base_cost,
            self.supplier_discount,
            self.supplier_fee,
            self.shipping_cost,
            self.supplier_tax,
            self.payment_fee,
            self.ad_spend,
        ]
    }

    pub(crate) const fn net_sales(&self) -> i64 {
        self.product_revenue + self.discount + self.refund
    }

    pub(crate) const fn cm1(&self) -> i64 {
        let net_revenue =
            self.net_sales() + self.shipping_revenue + self.shipping_refund + self.order_adjustment;
        net_revenue + self.base_cost + self.supplier_discount + self.supplier_fee
    }

    pub(crate) const fn cm2(&self) -> i64 {
        self.cm1() + self.shipping_cost + self.supplier_tax + self.payment_fee
    }

    pub(crate) const fn cm3(&self) -> i64 {
        self.cm2() + self.ad_spend
    }
}

/// A line's truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrueLine {
    pub(crate) line_id: u64,
    pub(crate) variant: u32,
    pub(crate) ledger: Ledger,
    pub(crate) is_estimate: bool,
}

/// Everything about an order that is not the order itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charges {
    /// The card fee, positive cents.
    pub(crate) payment_fee: i64,
    /// Share of ad spend, positive cents.
    pub(crate) ad_spend: i64,
}

struct Page<'o> {
    order: &'o Order,
    lines: Vec<TrueLine>,
    /// Net of discounts at sale, by line.
    nets: Vec<Claim>,
}

impl Page<'_> {
    /// Splits `total` over all lines by net.
    fn spread(&mut self, total: i64, field: impl Fn(&mut Ledger) -> &mut i64) {
        let shares = allocate(total, &self.nets);
        for (line, share) in self.lines.iter_mut().zip(shares) {
            *field(&mut line.ledger) += share;
        }
    }

    /// Splits `total` over the lines of a supplier order by its base cost.
    fn spread_part(&mut self, part: &Part, total: i64, field: impl Fn(&mut Ledger) -> &mut i64) {
        let made = part.lines.iter().filter_map(|made| {
            let line = self.order.lines.iter().find(|line| line.position == made.line_position)?;
            Some(Claim { key: line.id, weight: made.unit_cost * made.quantity })
        });
        let claims: Vec<Claim> = made.collect();
        for (claim, share) in claims.iter().zip(allocate(total, &claims)) {
            if let Some(line) = self.lines.iter_mut().find(|line| line.line_id == claim.key) {
                *field(&mut line.ledger) += share;
            }
        }
    }

    fn sales(&mut self) {
        for (line, sold) in self.lines.iter_mut().zip(&self.order.lines) {
            line.ledger.product_revenue = sold.unit_price * sold.quantity;
            line.ledger.discount = -(sold.line_discount + sold.code_discount);
        }
        let shipping = self
            .order
            .shipping_lines
            .iter()
            .filter(|line| !line.is_removed)
            .map(|line| line.price - line.discount)
            .sum();
        self.spread(shipping, |ledger| &mut ledger.shipping_revenue);
    }

    fn refunds(&mut self) {
        for refund in &self.order.refunds {
            for given in &refund.lines {
                if let Some(line) = self.lines.iter_mut().find(|line| line.line_id == given.line_id)
                {
                    line.ledger.refund -= given.subtotal;
                }
            }
            if let Some(shipping) = refund.shipping {
                self.spread(-shipping.subtotal, |ledger| &mut ledger.shipping_refund);
            }
            if let Some(adjustment) = refund.adjustment {
                self.spread(adjustment.amount, |ledger| &mut ledger.order_adjustment);
            }
        }
    }

    fn suppliers(&mut self) {
        for part in &self.order.parts {
            if part.state == PartState::Canceled || !part.is_costed {
                continue;
            }
            for made in &part.lines {
                let position = made.line_position;
                let sold = self
                    .order
                    .lines
                    .iter()
                    .find(|line| line.position == position)
                    .map(|line| line.id);
                if let Some(line) = self.lines.iter_mut().find(|line| Some(line.line_id) == sold) {
                    line.ledger.base_cost -= made.unit_cost * made.quantity;
                    line.ledger.shipping_cost -= made.shipping_cost;
                }
            }
            self.spread_part(part, -part.shipping, |ledger| &mut ledger.shipping_cost);
            self.spread_part(part, part.discount, |ledger| &mut ledger.supplier_discount);
            self.spread_part(part, -part.fees.total(), |ledger| &mut ledger.supplier_fee);
            self.spread_part(part, -(part.tax + part.vat), |ledger| &mut ledger.supplier_tax);
        }
    }

    /// Lines whose invoice is not there: their supplier order is still being costed, or there is none.
    fn estimates(&mut self, prices: &PriceLists<'_>) {
        if self.order.cancelled.is_some() {
            return;
        }
        let open = self.order.lines.iter().filter(|line| {
            let mut parts = self.order.parts.iter().filter(|part| {
                !part.is_reprint
                    && part.lines.iter().any(|made| made.line_position == line.position)
            });
            parts.all(|part| part.state == PartState::CostCalculation)
        });
        let positions: Vec<u32> = open.map(|line| line.position).collect();
        for (line_id, base, shipping) in prices.estimate(self.order, &positions) {
            if let Some(line) = self.lines.iter_mut().find(|line| line.line_id == line_id) {
                line.ledger.base_cost -= base;
                line.ledger.shipping_cost -= shipping;
                line.is_estimate = true;
            }
        }
    }
}

/// The lines of an order with all their components; none for a test order.
pub(crate) fn price(order: &Order, prices: &PriceLists<'_>, charges: Charges) -> Vec<TrueLine> {
    if order.is_test {
        return Vec::new();
    }
    let lines = order.lines.iter().map(|line| TrueLine {
        line_id: line.id,
        variant: line.variant,
        ledger: Ledger::default(),
        is_estimate: false,
    });
    let nets = order.lines.iter().map(|line| Claim {
        key: line.id,
        weight: line.unit_price * line.quantity - line.line_discount - line.code_discount,
    });
    let mut page = Page { order, lines: lines.collect(), nets: nets.collect() };
    page.sales();
    page.refunds();
    page.suppliers();
    page.estimates(prices);
    page.spread(-charges.payment_fee, |ledger| &mut ledger.payment_fee);
    page.spread(-charges.ad_spend, |ledger| &mut ledger.ad_spend);
    page.lines
}
