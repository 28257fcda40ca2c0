//! The suppliers' side: Printify and Printful orders, what they cost and when the cost is known.
//!
//! Printify tells costs late (`cost-calculation`, every amount 0 until then); Printful tells them at once.

/// Who makes a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Supplier {
    /// With the id of its print provider.
    Printify {
        provider: u32,
    },
    Printful,
}

/// A supplier order that belongs to a shop order.
#[derive(Debug, Clone)]
pub struct Part {
    /// Counter within the shop order; reprints are `4 + part reprinted`.
    pub number: u8,
    pub is_printful: bool,
    pub is_reprint: bool,
    /// The reprint's number, on the part it replaces.
    pub reprinted_by: Option<u8>,
    pub created_at: i64,
    pub state: PartState,
    /// False: `cost-calculation`, every amount on the wire is 0.
    pub is_costed: bool,
    /// When the cost became known.
    pub costed_at: Option<i64>,
    pub sent_to_production_at: Option<i64>,
    pub fulfilled_at: Option<i64>,
    pub delivered_at: Option<i64>,
    pub is_express: bool,
    pub lines: Vec<PartLine>,
    /// Printify: `total_tax`. Printful: `tax`.
    pub tax: i64,
    /// Printful only, like the three below.
    pub vat: i64,
    pub shipping: i64,
    pub discount: i64,
    pub fees: PrintfulFees,
    /// Printful sent a free replacement in a second shipment then.
    pub reshipped_at: Option<i64>,
}

/// Printful's order-level charges, cents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PrintfulFees {
    pub digitization: i64,
    pub additional: i64,
    pub fulfillment: i64,
    pub retail_delivery: i64,
}

impl PrintfulFees {
    /// All of them.
    pub const fn total(&self) -> i64 {
        self.digitization + self.additional + self.fulfillment + self.retail_delivery
    }
}

/// A line of a supplier order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartLine {
    /// Position of the shop order's line.
    pub line_position: u32,
    pub quantity: i64,
    /// Per unit, as the supplier charges it (0 for a reprint).
    pub unit_cost: i64,
    /// Printify: for the whole line. Printful: 0.
    pub shipping_cost: i64,
    /// How the supplier knows the shop's line.
    pub link: Link,
}

/// How a supplier line names the shop's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// `external_id` carries the order line id.
    ExternalId,
    /// Printify: only `metadata.external_id` carries it.
    MetadataExternalId,
    /// Only the sku tells.
    Sku,
}

/// Where a supplier order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartState {
    CostCalculation,
    OnHold,
    InProduction,
    Fulfilled,
    Canceled,
}

/// A receiver of goods, as a supplier knows him.
#[derive(Debug, Clone)]
pub struct Recipient {
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub phone: Option<String>,
    pub address1: String,
    pub city: String,
    /// State or province code, empty where there is none.
    pub region: String,
    pub zip: String,
    /// ISO 3166 alpha-2.
    pub country: String,
}

/// A Printify order. Amounts are integer cents.
#[derive(Debug, Clone)]
pub struct PrintifyOrder {
    /// Position-free code; `id` is made from it and leads back to it.
    pub code: u32,
    /// 24 hex digits.
    pub id: String,
    pub app_order_id: String,
    /// `external`, `sample` or `manual`.
    pub order_type: &'static str,
    pub shop_order_id: Option<u64>,
    /// Render `shop_order_id` as a string instead of a number.
    pub shop_order_id_is_text: bool,
    pub shop_order_label: Option<String>,
    pub is_reprint: bool,
    pub reprinted_order_ids: Vec<String>,
    pub child_reprinted_order_ids: Vec<String>,
    pub shop_fulfilled_at: Option<i64>,
    /// `cost-calculation`, `on-hold`, `in-production`, `fulfilled` or `canceled`.
    pub status: &'static str,
    /// 1 standard, 3 express.
    pub shipping_method: u8,
    pub is_express: bool,
    pub is_economy: bool,
    /// Retail cents, 0 when canceled or not costed.
    pub total_price: i64,
    pub total_shipping: i64,
    pub total_tax: i64,
    pub recipient: Recipient,
    pub lines: Vec<PrintifyLine>,
    pub created_at: i64,
    pub sent_to_production_at: Option<i64>,
    pub fulfilled_at: Option<i64>,
    pub shipments: Vec<PrintifyShipment>,
}

/// A parcel of Printify's.
#[derive(Debug, Clone)]
pub struct PrintifyShipment {
    pub carrier: &'static str,
    pub number: String,
    pub delivered_at: Option<i64>,
}

/// A line of a Printify order.
#[derive(Debug, Clone)]
pub struct PrintifyLine {
    /// 24 hex digits.
    pub product_id: String,
    pub variant_id: u32,
    pub print_provider_id: u32,
    pub external_id: Option<u64>,
    pub metadata_external_id: Option<u64>,
    pub quantity: i64,
    /// Per unit.
    pub cost: i64,
    /// For the whole line.
    pub shipping_cost: i64,
    pub status: &'static str,
    pub title: String,
    pub retail_price: i64,
    pub variant_label: String,
    pub sku: String,
    /// Country of the print provider.
    pub provider_country: &'static str,
    pub sent_to_production_at: Option<i64>,
    pub fulfilled_at: Option<i64>,
}

/// A Printful order. Amounts are cents; the wire shows decimals.
#[derive(Debug, Clone)]
pub struct PrintfulOrder {
    pub code: u32,
    pub id: u64,
    /// The shop's order id, another text for a manual order, `None` for a sample.
    pub external_id: Option<String>,
    /// `draft`, `pending`, `inprocess`, `fulfilled` or `canceled`.
    pub status: &'static str,
    pub created_at: i64,
    pub updated_at: i64,
    pub recipient: Recipient,
    pub items: Vec<PrintfulItem>,
    pub subtotal: i64,
    pub discount: i64,
    pub shipping: i64,
    pub fees: PrintfulFees,
    pub tax: i64,
    pub vat: i64,
    pub total: i64,
    /// What the shop's buyer paid: subtotal, discount, shipping, tax, total.
    pub retail: PrintfulRetail,
    pub shipments: Vec<PrintfulShipment>,
}

/// `retail_costs` of a Printful order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PrintfulRetail {
    pub subtotal: i64,
    pub discount: i64,
    pub shipping: i64,
    pub tax: i64,
    pub total: i64,
}

/// An item of a Printful order.
#[derive(Debug, Clone)]
pub struct PrintfulItem {
    pub id: u64,
    /// The shop's order line id, if Printful kept it.
    pub external_id: Option<u64>,
    /// Catalog variant.
    pub variant_id: u32,
    pub catalog_product_id: u32,
    pub sync_variant_id: u64,
    /// Shopify variant id.
    pub external_variant_id: u64,
    pub quantity: i64,
    /// Per unit.
    pub price: i64,
    pub retail_price: i64,
    pub name: String,
    pub sku: String,
    pub catalog_name: String,
}

/// A parcel of Printful's.
#[derive(Debug, Clone)]
pub struct PrintfulShipment {
    pub id: u64,
    pub carrier: &'static str,
    pub service: &'static str,
    pub tracking_number: String,
    pub shipped_at: i64,
    pub is_reshipment: bool,
    /// (item id, quantity).
    pub items: Vec<(u64, i64)>,
}
