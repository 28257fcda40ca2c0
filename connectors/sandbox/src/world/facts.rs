//! What a Shopify order of this world is: plain facts, money in `i64` US cents, times in epoch seconds.
//!
//! A value of these types is what is visible at the world's `as_of`; nothing later is in it.

use super::supply::Part;

/// One order as the shop sees it.
#[derive(Debug, Clone)]
pub struct Order {
    /// Counter from 0; `created_at` never falls as it grows.
    pub index: u32,
    /// Numeric legacy id; the gid is `gid://shopify/Order/<id>`.
    pub id: u64,
    /// The number in the name: `#1001` is index 0.
    pub number: u32,
    pub created_at: i64,
    /// At most a minute before `created_at`, sometimes the day before in the shop's zone.
    pub processed_at: i64,
    pub updated_at: i64,
    pub cancelled: Option<Cancellation>,
    pub closed_at: Option<i64>,
    pub is_test: bool,
    pub is_edited: bool,
    /// The true buyer; `None` for test orders. Never on the wire.
    pub person: Option<u32>,
    /// Customer index (see `World::customer`), `None` for guests and test orders.
    pub customer: Option<u32>,
    /// Which of the person's e-mail addresses was given (0, 1 or 2).
    pub email_slot: u8,
    /// Text of the device, as the storefront's cart attribute `_device_id` on every line.
    pub device_id: Option<String>,
    pub destination: Destination,
    pub lines: Vec<Line>,
    pub discount: Option<Discount>,
    /// One, or two for an edited order, whose first is removed.
    pub shipping_lines: Vec<ShippingLine>,
    pub tax: Option<TaxRate>,
    pub refunds: Vec<Refund>,
    pub gateway: Gateway,
    /// The sale, then one per refund.
    pub transactions: Vec<Transaction>,
    /// Shipped parts.
    pub fulfillments: Vec<Fulfillment>,
    pub journey: Journey,
    /// The suppliers' side of it: what `printify_*` and `printful_*` show.
    pub parts: Vec<Part>,
}

/// When and why an order was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancellation {
    pub at: i64,
    /// Shopify's `OrderCancelReason`: `CUSTOMER`, `FRAUD`, `INVENTORY` or `OTHER`.
    pub reason: &'static str,
    /// False: the supplier had not started, everything is undone. True: the supplier's costs stay.
    pub after_production: bool,
}

/// Where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// ISO 3166 alpha-2.
    pub country: &'static str,
    /// State or province code, empty where there is none.
    pub province: &'static str,
    pub city: &'static str,
    /// Digits of the postal code; `Destination::zip` renders it.
    pub zip_number: u32,
}

impl Destination {
    /// The postal code as text (five digits everywhere: nobody ships for real).
    pub fn zip(&self) -> String {
        format!("{:05}", self.zip_number)
    }
}

/// One order line.
#[derive(Debug, Clone)]
pub struct Line {
    pub id: u64,
    /// Position from 0.
    pub position: u32,
    /// Variant key (see `World::variant`); unique within an order, and so is the sku.
    pub variant: u32,
    pub quantity: i64,
    pub unit_price: i64,
    /// Automatic discount of this line: in `discountedTotalSet` and in `discountAllocations`.
    pub line_discount: i64,
    /// Share of an order-level code: in `discountAllocations` only.
    pub code_discount: i64,
    pub tax: i64,
    /// Units given back so far.
    pub refunded_quantity: i64,
}

impl Line {
    /// `originalTotalSet`.
    pub const fn gross(&self) -> i64 {
        self.unit_price * self.quantity
    }

    /// Sum of `discountAllocations`.
    pub const fn discount(&self) -> i64 {
        self.line_discount + self.code_discount
    }

    /// Gross less discounts, before refunds and tax.
    pub const fn net(&self) -> i64 {
        self.gross() - self.discount()
    }

    /// The entries of `discountAllocations`, zero shares left out.
    pub fn discount_allocations(&self) -> impl Iterator<Item = i64> + use<> {
        [self.line_discount, self.code_discount].into_iter().filter(|cents| *cents != 0)
    }
}

/// A discount code or automatic discount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discount {
    /// The code typed by the buyer; `None` for an automatic one.
    pub code: Option<&'static str>,
    pub kind: DiscountKind,
}

/// How a discount takes off money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscountKind {
    /// Percent off every line.
    Percent(i64),
    /// Percent off the first line alone (automatic).
    PercentOfFirstLine(i64),
    /// Cents off the order, split over the lines.
    Fixed(i64),
    /// The shipping line costs nothing.
    FreeShipping,
}

/// What the buyer was charged for shipping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShippingLine {
    pub id: u64,
    pub title: &'static str,
    pub code: &'static str,
    pub is_removed: bool,
    /// `originalPriceSet`.
    pub price: i64,
    /// Sum of its `discountAllocations`.
    pub discount: i64,
    pub tax: i64,
}

impl ShippingLine {
    /// `discountedPriceSet`.
    pub const fn discounted(&self) -> i64 {
        self.price - self.discount
    }
}

/// Sales tax of the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxRate {
    pub title: &'static str,
    /// Parts per million: 72,500 is 7.25 %.
    pub rate_ppm: i64,
    /// Whether shipping is taxed too.
    pub on_shipping: bool,
}

/// One refund.
#[derive(Debug, Clone)]
pub struct Refund {
    pub id: u64,
    /// Counter within the order.
    pub position: u32,
    pub created_at: i64,
    pub note: &'static str,
    pub lines: Vec<RefundLine>,
    pub shipping: Option<RefundShipping>,
    pub adjustment: Option<Adjustment>,
}

impl Refund {
    /// The cash that went back: lines, shipping and their tax, less the adjustment's signed amount.
    pub fn cash(&self) -> i64 {
        let lines: i64 = self.lines.iter().map(|line| line.subtotal + line.tax).sum();
        let shipping = self.shipping.map_or(0, |part| part.subtotal + part.tax);
        lines + shipping - self.adjustment.map_or(0, |part| part.amount + part.tax)
    }
}

/// A line of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundLine {
    pub id: u64,
    pub line_id: u64,
    /// Position of that line in the order.
    pub line_position: u32,
    pub quantity: i64,
    /// `NO_RESTOCK` or `CANCEL`.
    pub restock_type: &'static str,
    /// Net of discounts, before tax.
    pub subtotal: i64,
    pub tax: i64,
}

/// Shipping given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundShipping {
    pub id: u64,
    pub shipping_line_id: u64,
    pub subtotal: i64,
    pub tax: i64,
}

/// Money given or kept beside the lines: negative when extra was given back, positive when some was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adjustment {
    pub id: u64,
    /// `REFUND_DISCREPANCY`.
    pub reason: &'static str,
    pub amount: i64,
    pub tax: i64,
}

/// Who took the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// Cards through Stripe: the order has a Stripe charge.
    Stripe,
    /// Another wallet: nothing at Stripe, no fee known.
    Paypal,
    /// The test gateway of test orders.
    Bogus,
}

impl Gateway {
    /// Shopify's text for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Paypal => "paypal",
            Self::Bogus => "bogus",
        }
    }
}

/// A movement of money at Shopify. `fees` is always empty there: the gateway is not Shopify Payments.
#[derive(Debug, Clone)]
pub struct Transaction {
    pub id: u64,
    /// `SALE` or `REFUND`.
    pub kind: &'static str,
    pub amount: i64,
    pub processed_at: i64,
    pub parent_id: Option<u64>,
    /// The payment provider's own id (`pi_..`), when Stripe has one.
    pub payment_id: Option<String>,
}

/// A shipped part.
#[derive(Debug, Clone)]
pub struct Fulfillment {
    pub id: u64,
    pub created_at: i64,
    pub updated_at: i64,
    pub delivered_at: Option<i64>,
    /// `Printify` or `Printful`.
    pub service: &'static str,
    pub line_positions: Vec<u32>,
}

/// The visits Shopify ties to an order.
#[derive(Debug, Clone)]
pub struct Journey {
    /// False until Shopify has worked it out; then there are no visits yet.
    pub ready: bool,
    /// From 0: how many earlier orders the customer placed.
    pub customer_order_index: u32,
    pub moments: u32,
    pub days_to_conversion: u32,
    pub first_visit: Option<Visit>,
    pub last_visit: Option<Visit>,
}

/// One visit of the storefront.
#[derive(Debug, Clone)]
pub struct Visit {
    pub id: u64,
    pub occurred_at: i64,
    pub source: &'static str,
    /// Shopify's `MarketingTactic`, where one is known.
    pub source_type: Option<&'static str>,
    pub referrer_url: Option<&'static str>,
    pub landing_page: String,
    pub utm: Option<Utm>,
}

/// Campaign parameters of a visit's address.
#[derive(Debug, Clone)]
pub struct Utm {
    pub source: &'static str,
    pub medium: &'static str,
    pub campaign: String,
    /// For paid social: the Meta ad id.
    pub content: Option<String>,
    pub term: Option<&'static str>,
    /// The ad behind `content`, if it is one of Meta's.
    pub ad: Option<u32>,
}

impl Order {
    /// `#1001`.
    pub fn name(&self) -> String {
        format!("#{}", self.number)
    }

    /// Sum of line gross less discounts: `subtotalPriceSet`.
    pub fn subtotal(&self) -> i64 {
        self.lines.iter().map(Line::net).sum()
    }

    /// `totalDiscountsSet`: of lines and of shipping.
    pub fn total_discounts(&self) -> i64 {
        let lines: i64 = self.lines.iter().map(Line::discount).sum();
        lines + self.live_shipping().map(|line| line.discount).sum::<i64>()
    }

    /// `totalShippingPriceSet`: charged, after discounts, removed lines left out.
    pub fn total_shipping(&self) -> i64 {
        self.live_shipping().map(ShippingLine::discounted).sum()
    }

    /// `totalTaxSet`.
    pub fn total_tax(&self) -> i64 {
        let lines: i64 = self.lines.iter().map(|line| line.tax).sum();
        lines + self.live_shipping().map(|line| line.tax).sum::<i64>()
    }

    /// `totalPriceSet`: what the buyer paid.
    pub fn total_price(&self) -> i64 {
        self.subtotal() + self.total_shipping() + self.total_tax()
    }

    /// `totalRefundedSet`: cash back so far.
    pub fn total_refunded(&self) -> i64 {
        self.refunds.iter().map(Refund::cash).sum()
    }

    /// `displayFinancialStatus`.
    pub fn financial_status(&self) -> &'static str {
        let refunded = self.total_refunded();
        if refunded == 0 {
            "PAID"
        } else if refunded >= self.total_price() {
            "REFUNDED"
        } else {
            "PARTIALLY_REFUNDED"
        }
    }

    /// `displayFulfillmentStatus`.
    pub fn fulfillment_status(&self) -> &'static str {
        let shipped: usize = self.fulfillments.iter().map(|part| part.line_positions.len()).sum();
        if shipped == 0 {
            "UNFULFILLED"
        } else if shipped >= self.lines.len() {
            "FULFILLED"
        } else {
            "PARTIALLY_FULFILLED"
        }
    }

    /// Shipping lines that were not removed by an edit.
    pub fn live_shipping(&self) -> impl Iterator<Item = &ShippingLine> {
        self.shipping_lines.iter().filter(|line| !line.is_removed)
    }
}
