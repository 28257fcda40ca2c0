//! Stripe's side: charges, refunds and balance transactions. Amounts are cents, ids lead back to their order.

/// A card payment.
#[derive(Debug, Clone)]
pub struct Charge {
    /// `ch_3..`
    pub id: String,
    pub balance_transaction: String,
    pub payment_intent: String,
    pub customer: Option<String>,
    pub created: i64,
    pub amount: i64,
    pub amount_refunded: i64,
    pub description: String,
    /// The shop's order id; `None` for a payment taken outside the shop.
    pub order_id: Option<u64>,
}

/// Money back to a card.
#[derive(Debug, Clone)]
pub struct StripeRefund {
    /// `re_3..`
    pub id: String,
    pub balance_transaction: String,
    pub charge: String,
    pub payment_intent: String,
    pub created: i64,
    pub amount: i64,
    pub order_id: u64,
}

/// A movement of the Stripe balance. `net` is `amount - fee`.
#[derive(Debug, Clone)]
pub struct BalanceTransaction {
    /// `txn_3..` (`txn_1..` for account fees)
    pub id: String,
    pub amount: i64,
    pub fee: i64,
    pub created: i64,
    pub available_on: i64,
    /// `charge`, `refund` or `stripe_fee`.
    pub kind: &'static str,
    /// `charge`, `refund` or `fee`.
    pub reporting_category: &'static str,
    /// The charge or refund; `None` for an account fee.
    pub source: Option<String>,
    pub description: String,
    /// `available` or `pending`.
    pub status: &'static str,
}

/// A page of a list, newest first.
#[derive(Debug, Clone)]
pub struct StripePage<T> {
    pub rows: Vec<T>,
    pub has_more: bool,
}

use std::iter::Peekable;

use chrono::{Datelike, NaiveDate};

use super::{
    World,
    calendar::{DAY, ORIGIN, moment},
    dice::{Dice, Purpose, counter, signed, stamp},
    facts::{Gateway, Order},
    fate::REFUND_STRIDE,
    ids::{Shopify, Stripe},
};

/// Counters from here on are charges taken outside the shop.
const OUTSIDE: u64 = 1 << 40;

/// Place of an object in its list: time, then kind, then counter. Lists run downwards.
type Key = (i64, u8, u64);
const FEE: u8 = 0;
const OUTSIDE_CHARGE: u8 = 1;
const CHARGE: u8 = 2;
const REFUND: u8 = 3;

/// Stripe's price for a payment: percent rounded half up, plus 30 cents.
pub(crate) const fn card_fee(cents: i64, basis_points: i64) -> i64 {
    (cents * basis_points + 5_000) / 10_000 + 30
}

/// A card payment that belongs to no shop order.
#[derive(Debug, Clone, Copy)]
pub struct OutsideCharge {
    pub number: u64,
    pub created: i64,
    pub amount: i64,
    pub fee: i64,
}

impl OutsideCharge {
    /// Its balance transaction.
    pub fn transaction_id(&self) -> String {
        Stripe::ChargeTransaction.id(OUTSIDE + self.number)
    }
}

impl AccountFee {
    /// Its balance transaction.
    pub fn transaction_id(&self) -> String {
        Stripe::FeeTransaction.id(self.number)
    }
}

/// A monthly bill of Stripe's own, e.g. Radar.
#[derive(Debug, Clone, Copy)]
pub struct AccountFee {
    pub number: u64,
    pub created: i64,
    /// Positive cents; the balance transaction's amount is its negative.
    pub amount: i64,
}

impl World {
    /// Charges taken outside the shop, oldest first.
    pub fn outside_charges(&self) -> Vec<OutsideCharge> {
        let charges = (0..).map(|number: u64| {
            let mut dice = Dice::new(self.seed(), Purpose::House, 1 << 41 | number);
            let created = ORIGIN + signed(number) * 97 * DAY + dice.between(5 * DAY, 60 * DAY);
            let amount = dice.between(2_000, 25_000);
            OutsideCharge { number, created, amount, fee: card_fee(amount, 290) }
        });
        charges.take_while(|charge| charge.created <= self.as_of()).collect()
    }

    /// Stripe's monthly bills, oldest first: on the first of each month.
    pub fn account_fees(&self) -> Vec<AccountFee> {
        let fees = (0_u32..).map_while(|number| {
            let month = 2024 * 12 + 11 + number;
            let date = NaiveDate::from_ymd_opt(i32::try_from(month / 12).ok()?, month % 12 + 1, 1)?;
            let mut dice = Dice::new(self.seed(), Purpose::House, 1 << 42 | u64::from(number));
            let created = date.and_hms_opt(3, 14, 15)?.and_utc().timestamp();
            Some(AccountFee {
                number: u64::from(number),
                created,
                amount: dice.between(400, 2_900),
            })
        });
        fees.take_while(|fee| fee.created <= self.as_of()).collect()
    }

    /// The charge's balance transaction of order `i`, if it was paid by card.
    pub fn balance_transaction_of(&self, i: u32) -> Option<BalanceTransaction> {
        self.charge_counter_key(u64::from(i)).and_then(|key| self.transaction_at(key))
    }

    /// Balance transactions, newest first, after the id `after`; `None` when that id is unknown.
    pub fn stripe_balance_transactions(
        &self,
        after: Option<&str>,
        from: Option<i64>,
        to: Option<i64>,
        limit: usize,
    ) -> Option<StripePage<BalanceTransaction>> {
        let bound = bound(after, to, |id| self.transaction_key(id))?;
        let keys =
            merge(merge(self.charge_keys(bound), self.refund_keys(bound)), self.fee_keys(bound));
        Some(page(keys, from, limit, |key| self.transaction_at(key)))
    }

    /// Charges, newest first, after the id `after`; `None` when that id is unknown.
    pub fn stripe_charges(
        &self,
        after: Option<&str>,
        from: Option<i64>,
        to: Option<i64>,
        limit: usize,
    ) -> Option<StripePage<Charge>> {
        let bound = bound(after, to, |id| self.charge_key(id))?;
        Some(page(self.charge_keys(bound), from, limit, |key| self.charge_at(key)))
    }

    /// Refunds, newest first, after the id `after`; `None` when that id is unknown.
    pub fn stripe_refunds(
        &self,
        after: Option<&str>,
        from: Option<i64>,
        to: Option<i64>,
        limit: usize,
    ) -> Option<StripePage<StripeRefund>> {
        let bound = bound(after, to, |id| self.refund_key(id))?;
        Some(page(self.refund_keys(bound), from, limit, |key| self.refund_at(key)))
    }

    /// The charge with this id.
    pub fn stripe_charge(&self, id: &str) -> Option<Charge> {
        self.charge_at(self.charge_key(id)?)
    }

    /// The refund with this id.
    pub fn stripe_refund(&self, id: &str) -> Option<StripeRefund> {
        self.refund_at(self.refund_key(id)?)
    }

    /// The balance transaction with this id.
    pub fn stripe_balance_transaction(&self, id: &str) -> Option<BalanceTransaction> {
        self.transaction_at(self.transaction_key(id)?)
    }

    fn charge_keys(&self, bound: Key) -> impl Iterator<Item = Key> + '_ {
        let (mut low, mut high) = (0, self.order_count());
        while low < high {
            let middle = low + (high - low) / 2;
            if (self.calendar().created_at(middle), CHARGE, u64::from(middle)) < bound {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let paid = (0..low).rev().filter(|i| self.payment(*i).0 == Gateway::Stripe);
        let paid = paid.map(|i| (self.calendar().created_at(i), CHARGE, u64::from(i)));
        let outside = self
            .outside_charges()
            .into_iter()
            .rev()
            .map(|charge| (charge.created, OUTSIDE_CHARGE, charge.number));
        merge(paid, outside.filter(move |key| *key < bound))
    }

    fn refund_keys(&self, bound: Key) -> impl Iterator<Item = Key> + '_ {
        let list = &self.index().refunds;
        let end = list.partition_point(|(created, code)| {
            (i64::from(*created), REFUND, u64::from(*code)) < bound
        });
        list.iter()
            .take(end)
            .rev()
            .map(|(created, code)| (i64::from(*created), REFUND, u64::from(*code)))
    }

    fn fee_keys(&self, bound: Key) -> impl Iterator<Item = Key> + use<> {
        let fees = self.account_fees().into_iter().rev().map(|fee| (fee.created, FEE, fee.number));
        fees.filter(move |key| *key < bound)
    }

    fn charge_key(&self, id: &str) -> Option<Key> {
        self.charge_counter_key(Stripe::Charge.counter(id)?)
    }

    fn charge_counter_key(&self, n: u64) -> Option<Key> {
        if n >= OUTSIDE {
            let charges = self.outside_charges();
            return charges
                .iter()
                .find(|charge| charge.number == n - OUTSIDE)
                .map(|charge| (charge.created, OUTSIDE_CHARGE, charge.number));
        }
        let i = u32::try_from(n).ok().filter(|i| *i < self.order_count())?;
        (self.payment(i).0 == Gateway::Stripe).then(|| (self.calendar().created_at(i), CHARGE, n))
    }

    fn refund_key(&self, id: &str) -> Option<Key> {
        self.refund_counter_key(Stripe::Refund.counter(id)?)
    }

    fn refund_counter_key(&self, code: u64) -> Option<Key> {
        let (_, refund) = self.refund_of(code)?;
        Some((refund, REFUND, code))
    }

    /// The order of a refund counter and when the refund was made.
    fn refund_of(&self, code: u64) -> Option<(Order, i64)> {
        let order = self.order(u32::try_from(code / REFUND_STRIDE).ok()?)?;
        if order.gateway != Gateway::Stripe {
            return None;
        }
        let at = order
            .refunds
            .iter()
            .find(|refund| u64::from(refund.position) == code % REFUND_STRIDE)?
            .created_at;
        Some((order, at))
    }

    fn transaction_key(&self, id: &str) -> Option<Key> {
        if let Some(n) = Stripe::ChargeTransaction.counter(id) {
            self.charge_counter_key(n)
        } else if let Some(code) = Stripe::RefundTransaction.counter(id) {
            self.refund_counter_key(code)
        } else {
            let n = Stripe::FeeTransaction.counter(id)?;
            self.account_fees().iter().find(|fee| fee.number == n).map(|fee| (fee.created, FEE, n))
        }
    }

    fn charge_at(&self, (created, kind, n): Key) -> Option<Charge> {
        if kind == OUTSIDE_CHARGE {
            let charge = self.outside_charges().into_iter().find(|charge| charge.number == n)?;
            return Some(Charge {
                id: Stripe::Charge.id(OUTSIDE + n),
                balance_transaction: Stripe::ChargeTransaction.id(OUTSIDE + n),
                payment_intent: Stripe::PaymentIntent.id(OUTSIDE + n),
                customer: None,
                created,
                amount: charge.amount,
                amount_refunded: 0,
                description: "Market stall invoice".to_owned(),
                order_id: None,
            });
        }
        let order = self.order(u32::try_from(n).ok()?)?;
        Some(Charge {
            id: Stripe::Charge.id(n),
            balance_transaction: Stripe::ChargeTransaction.id(n),
            payment_intent: Stripe::PaymentIntent.id(n),
            customer: order.customer.map(|customer| Stripe::Customer.id(u64::from(customer))),
            created,
            amount: order.total_price(),
            amount_refunded: order.total_refunded(),
            description: format!("Order {}", order.name()),
            order_id: Some(order.id),
        })
    }

    fn refund_at(&self, (created, _, code): Key) -> Option<StripeRefund> {
        let (order, _) = self.refund_of(code)?;
        let refund = order
            .refunds
            .iter()
            .find(|refund| u64::from(refund.position) == code % REFUND_STRIDE)?;
        let i = u64::from(order.index);
        Some(StripeRefund {
            id: Stripe::Refund.id(code),
            balance_transaction: Stripe::RefundTransaction.id(code),
            charge: Stripe::Charge.id(i),
            payment_intent: Stripe::PaymentIntent.id(i),
            created,
            amount: refund.cash(),
            order_id: Shopify::Order.id(i),
        })
    }

    fn transaction_at(&self, key: Key) -> Option<BalanceTransaction> {
        let (created, kind, n) = key;
        let (id, amount, fee, kind, category, source, description) = match kind {
            FEE => {
                let fee = self.account_fees().into_iter().find(|fee| fee.number == n)?;
                let month = moment(fee.created);
                let text = format!("Radar for Fraud Teams ({}-{:02})", month.year(), month.month());
                (Stripe::FeeTransaction.id(n), -fee.amount, 0, "stripe_fee", "fee", None, text)
            }
            REFUND => {
                let refund = self.refund_at(key)?;
                (
                    refund.balance_transaction,
                    -refund.amount,
                    0,
                    "refund",
                    "refund",
                    Some(refund.id),
                    "Refund".to_owned(),
                )
            }
            _ => {
                let charge = self.charge_at(key)?;
                let rate = u32::try_from(n)
                    .ok()
                    .filter(|_| kind == CHARGE)
                    .map_or(290, |i| self.payment(i).1);
                let fee = card_fee(charge.amount, rate);
                (
                    charge.balance_transaction,
                    charge.amount,
                    fee,
                    "charge",
                    "charge",
                    Some(charge.id),
                    charge.description,
                )
            }
        };
        let available_on = created + 2 * DAY;
        let status = if available_on <= self.as_of() { "available" } else { "pending" };
        Some(BalanceTransaction {
            id,
            amount,
            fee,
            created,
            available_on,
            kind,
            reporting_category: category,
            source,
            description,
            status,
        })
    }

    /// Entries for the index of Stripe refunds: time and counter.
    pub(crate) fn refund_entries(
        order: u32,
        refunds: &[super::facts::Refund],
    ) -> impl Iterator<Item = (u32, u32)> {
        refunds
            .iter()
            .map(move |refund| (stamp(refund.created_at), order * counter(4) + refund.position))
    }
}

/// The place below which a page starts.
fn bound(after: Option<&str>, to: Option<i64>, key: impl Fn(&str) -> Option<Key>) -> Option<Key> {
    let top = (to.unwrap_or(i64::MAX - 1).saturating_add(1), 0, 0);
    match after {
        Some(id) => key(id).map(|key| key.min(top)),
        None => Some(top),
    }
}

fn page<T>(
    keys: impl Iterator<Item = Key>,
    from: Option<i64>,
    limit: usize,
    show: impl Fn(Key) -> Option<T>,
) -> StripePage<T> {
    let mut keys = keys.take_while(|key| from.is_none_or(|from| key.0 >= from));
    let rows = keys.by_ref().take(limit).filter_map(show).collect();
    StripePage { rows, has_more: keys.next().is_some() }
}

/// Two falling lists as one.
fn merge(
    left: impl Iterator<Item = Key>,
    right: impl Iterator<Item = Key>,
) -> impl Iterator<Item = Key> {
    let (mut left, mut right): (Peekable<_>, Peekable<_>) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(one), Some(other)) if one >= other => left.next(),
        (Some(_), None) => left.next(),
        _ => right.next(),
    })
}
