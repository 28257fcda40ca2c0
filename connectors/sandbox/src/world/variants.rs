//! Variant keys: the one number from which sku, label, vendor ids and prices of a variant follow.

use super::{
    dice::{counter, index},
    ids::hex_id,
    tables::{KINDS, Kind, PROVIDERS, Size, Zone, price_on},
};

/// Variants of a product have keys `VARIANT_STRIDE * product + position`.
pub(crate) const VARIANT_STRIDE: u32 = 16;
/// The counter of Printify products in hex ids: products live above the orders.
const PRINTIFY_PRODUCT: u64 = 1 << 40;

/// A variant key taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VariantKey {
    pub(crate) product: u32,
    pub(crate) design: u32,
    pub(crate) kind: &'static Kind,
    pub(crate) position: u32,
}

impl VariantKey {
    pub(crate) fn new(key: u32) -> Self {
        let product = key / VARIANT_STRIDE;
        let kinds = counter(KINDS.len());
        let [first, ..] = &KINDS;
        let kind = KINDS.get(index(u64::from(product % kinds))).unwrap_or(first);
        Self { product, design: product / kinds, kind, position: key % VARIANT_STRIDE }
    }

    pub(crate) fn size(&self) -> &'static Size {
        const FALLBACK: &Size =
            &Size { name: "One size", extra_price: 0, extra_cost: 0, is_large: false };
        let colors = self.kind.colors.len().max(1);
        self.kind.sizes.get(index(u64::from(self.position)) / colors).unwrap_or(FALLBACK)
    }

    pub(crate) fn color(&self) -> &'static str {
        let colors = self.kind.colors.len().max(1);
        self.kind.colors.get(index(u64::from(self.position)) % colors).copied().unwrap_or("")
    }

    /// The sku: kind, design, size, colour.
    pub(crate) fn sku(&self) -> String {
        let size = self.size().name;
        let size = if size == "One size" { "OS" } else { size };
        let color: String = self.color().chars().take(3).collect::<String>().to_uppercase();
        format!("{}-{:04}-{size}-{color}", self.kind.code, self.design)
    }

    /// `Black / M`, or the size alone.
    pub(crate) fn label(&self) -> String {
        if self.kind.colors.len() > 1 {
            format!("{} / {}", self.color(), self.size().name)
        } else {
            self.size().name.to_owned()
        }
    }

    /// Printify's catalog-wide variant id.
    pub(crate) fn printify_id(&self) -> u32 {
        30_000 + (self.product % counter(KINDS.len())) * 100 + self.position
    }

    /// Printful's catalog variant id.
    pub(crate) fn printful_id(&self) -> u32 {
        4_000 + (self.product % counter(KINDS.len())) * 50 + self.position
    }

    /// What Printify charges for one unit at `at`.
    pub(crate) fn printify_cost(&self, provider: u32, at: i64) -> i64 {
        let slot = provider_slot(provider);
        let base = self.kind.printify_costs.get(slot).copied().unwrap_or(0);
        price_on(base + self.size().extra_cost, at)
    }

    /// What Printful charges for one unit at `at`.
    pub(crate) fn printful_price(&self, at: i64) -> i64 {
        price_on(self.kind.printful_price + self.size().extra_cost, at)
    }
}

/// How many variants a kind has.
pub(crate) fn variants_of(kind: &Kind) -> u32 {
    counter(kind.sizes.len() * kind.colors.len())
}

/// Position of a provider in `PROVIDERS`.
pub(crate) fn provider_slot(provider: u32) -> usize {
    PROVIDERS.iter().position(|(id, _)| *id == provider).unwrap_or(0)
}

/// First and additional item of a variant at a Printify provider, to a country.
pub(crate) fn printify_rate(kind: &Kind, provider: u32, is_large: bool, zone: Zone) -> (i64, i64) {
    let (first, additional) = kind.printify_shipping;
    let (more_first, more_additional) = match provider_slot(provider) {
        0 => (0, 0),
        1 => (25, 10),
        _ => (-14, 0),
    };
    let (large_first, large_additional) = if is_large { (190, 95) } else { (0, 0) };
    (
        zone.price(first + more_first + large_first),
        zone.price(additional + more_additional + large_additional),
    )
}

/// 24 hex digits for a Printify product.
pub(crate) fn printify_product_id(product: u32, created_at: i64) -> String {
    hex_id(created_at, PRINTIFY_PRODUCT | u64::from(product))
}
