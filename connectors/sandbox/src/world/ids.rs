//! Ids in the shape of each vendor's, made from counters and leading back to them without an index.
//!
//! Every reader of an id makes the id again from the counter and compares, so a wrong digit finds nothing.

use super::dice::{mix, unmix};

/// Shopify's numeric ids: one number space per resource, growing with the counter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shopify {
    Order,
    Line,
    Customer,
    Product,
    Variant,
    InventoryItem,
    Metafield,
    ShippingLine,
    Refund,
    RefundLine,
    RefundShipping,
    Adjustment,
    Transaction,
    Fulfillment,
    Visit,
}

impl Shopify {
    const fn base(self) -> u64 {
        match self {
            Self::Order => 5_400_000_000_000,
            Self::Line => 14_100_000_000_000,
            Self::Customer => 7_200_000_000_000,
            Self::Product => 8_300_000_000_000,
            Self::Variant => 44_500_000_000_000,
            Self::InventoryItem => 46_600_000_000_000,
            Self::Metafield => 29_100_000_000_000,
            Self::ShippingLine => 4_700_000_000_000,
            Self::Refund => 910_000_000_000,
            Self::RefundLine => 620_000_000_000,
            Self::RefundShipping => 310_000_000_000,
            Self::Adjustment => 230_000_000_000,
            Self::Transaction => 6_500_000_000_000,
            Self::Fulfillment => 5_000_000_000_000,
            Self::Visit => 2_600_000_000_000,
        }
    }

    /// The id of counter `n`. Steps are uneven, as on a platform shared with other shops.
    pub(crate) const fn id(self, n: u64) -> u64 {
        self.base() + n * 4096 + mix(n ^ self.base()) % 4096
    }

    /// The counter behind `id`.
    pub(crate) const fn counter(self, id: u64) -> Option<u64> {
        let Some(offset) = id.checked_sub(self.base()) else { return None };
        let n = offset / 4096;
        if self.id(n) == id { Some(n) } else { None }
    }
}

const HEX_SALT: u64 = 0x5EED_0F1A_7E57_0001;
const BASE62_SALT: u64 = 0x5EED_0F1A_7E57_0002;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 24 hex digits as Printify has them: a time, then the counter, scrambled.
pub(crate) fn hex_id(at: i64, code: u64) -> String {
    let time = u32::try_from(at.max(0)).unwrap_or(u32::MAX);
    format!("{time:08x}{:016x}", mix(code ^ HEX_SALT))
}

/// The counter behind such an id; the caller checks the time.
pub(crate) fn hex_code(id: &str) -> Option<u64> {
    if id.len() != 24 {
        return None;
    }
    let scrambled = u64::from_str_radix(id.get(8..)?, 16).ok()?;
    Some(unmix(scrambled) ^ HEX_SALT)
}

/// What a Stripe id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stripe {
    Charge = 1,
    Refund = 2,
    ChargeTransaction = 3,
    RefundTransaction = 4,
    FeeTransaction = 5,
    PaymentIntent = 6,
    Customer = 7,
}

impl Stripe {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Charge => "ch_3",
            Self::Refund => "re_3",
            Self::ChargeTransaction | Self::RefundTransaction => "txn_3",
            Self::FeeTransaction => "txn_1",
            Self::PaymentIntent => "pi_3",
            Self::Customer => "cus_",
        }
    }

    /// The id of counter `n`: prefix, then 11 base-62 digits of the scrambled counter, then 5 more.
    pub(crate) fn id(self, n: u64) -> String {
        let code = n | ((self as u64) << 56);
        let scrambled = mix(code ^ BASE62_SALT);
        let mut id = String::with_capacity(24);
        id.push_str(self.prefix());
        push_base62(&mut id, scrambled, 11);
        push_base62(&mut id, mix(scrambled), 5);
        id
    }

    /// The counter behind `id`, if it is one of this kind.
    pub(crate) fn counter(self, id: &str) -> Option<u64> {
        let digits = id.strip_prefix(self.prefix())?.get(..11)?;
        let mut scrambled: u64 = 0;
        for byte in digits.bytes() {
            let digit = BASE62.iter().position(|known| *known == byte)?;
            scrambled = scrambled.checked_mul(62)?.checked_add(u64::try_from(digit).ok()?)?;
        }
        let code = unmix(scrambled) ^ BASE62_SALT;
        let n = code & ((1 << 56) - 1);
        (code >> 56 == self as u64 && self.id(n) == id).then_some(n)
    }
}

fn push_base62(text: &mut String, mut value: u64, digits: u32) {
    let mut place = 62_u64.pow(digits.saturating_sub(1).min(10));
    while place > 0 {
        let digit = usize::try_from((value / place) % 62).unwrap_or(0);
        value %= place;
        text.push(char::from(BASE62.get(digit).copied().unwrap_or(b'0')));
        place /= 62;
    }
}

/// Printful's order ids: integers, one number space for shop and house orders.
pub(crate) const fn printful_order_id(code: u32) -> u64 {
    120_000_000 + code as u64 * 3 + mix(code as u64) % 3
}

/// The counter behind a Printful order id.
pub(crate) fn printful_order_code(id: u64) -> Option<u32> {
    let code = u32::try_from(id.checked_sub(120_000_000)? / 3).ok()?;
    (printful_order_id(code) == id).then_some(code)
}

/// Meta's ids: 18 digits.
pub(crate) const fn meta_id(space: u64, n: u64) -> u64 {
    120_210_000_000_000_000 + space * 1_000_000_000_000 + n * 10_000 + mix(n ^ space) % 10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_leads_back_to_its_counter() {
        for n in [0_u64, 1, 7, 999_999, 268_000_000] {
            assert_eq!(Shopify::Order.counter(Shopify::Order.id(n)), Some(n));
            assert_eq!(Shopify::Order.counter(Shopify::Order.id(n) + 1), None);
            assert_eq!(hex_code(&hex_id(1_760_000_000, n)), Some(n));
            for kind in [
                Stripe::Charge,
                Stripe::Refund,
                Stripe::ChargeTransaction,
                Stripe::RefundTransaction,
            ] {
                assert_eq!(kind.counter(&kind.id(n)), Some(n));
            }
            assert_eq!(Stripe::RefundTransaction.counter(&Stripe::ChargeTransaction.id(n)), None);
            let code = u32::try_from(n).unwrap();
            assert_eq!(printful_order_code(printful_order_id(code)), Some(code));
        }
        assert_eq!(Stripe::Charge.counter("ch_3zzzzzzzzzzzzzzzz"), None);
        assert_eq!(hex_code("short"), None);
        assert_eq!(hex_id(1_760_000_000, 5).len(), 24);
    }
}
