//! What each field of each object is, taken from the world.
//!
//! `totalPriceSet` is at placement with edits and before returns; `currentTotalPriceSet` after them.
//! A code discount shows in `discountAllocations` alone, never in `discountedTotalSet`.

use crate::world::{
    SHOP_DOMAIN, SHOP_ID, SHOP_NAME, SHOP_ZONE, World,
    catalog::{Metafield, Product, Variant},
    facts::{
        Adjustment, Fulfillment, Journey, Line, Order, Refund, RefundLine, RefundShipping,
        ShippingLine, TaxRate, Transaction, Utm, Visit,
    },
    people::Customer,
};

/// An object of the answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node<'a> {
    Shop,
    Order(&'a Order),
    Line(&'a Order, &'a Line),
    ShippingLine(&'a Order, &'a ShippingLine),
    Refund(&'a Order, &'a Refund),
    RefundLine(&'a Order, &'a RefundLine),
    RefundShipping(&'a Order, &'a RefundShipping),
    Adjustment(&'a Adjustment),
    Transaction(&'a Order, &'a Transaction),
    Fulfillment(&'a Fulfillment),
    Service(&'a Fulfillment),
    Journey(&'a Journey),
    Moments(&'a Journey),
    Visit(&'a Visit),
    Utm(&'a Utm),
    Address(&'a Order),
    Tax(TaxRate, i64),
    Allocation(i64),
    Attribute(&'static str, &'a str),
    Bag(i64),
    Money(i64),
    /// A customer known by index only.
    Account(u32),
    Customer(&'a Customer),
    Email(&'a Customer),
    Phone(&'a str),
    Product(&'a Product),
    Variant(&'a Product, &'a Variant),
    Metafield(&'a Metafield),
    OptionPair(&'static str, &'static str),
    Inventory(&'a Variant),
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Field<'a> {
    Null,
    Text(&'a str),
    Owned(String),
    Int(i64),
    Bool(bool),
    Gid(&'static str, u64),
    /// A number as text.
    Digits(u64),
    Time(i64),
    /// A plain number in millionths.
    Millionths(i64),
    /// Money as decimal text, zeros cut.
    Cents(i64),
    /// `Money` without a currency beside it: two digits.
    Price(i64),
    Texts(Vec<&'a str>),
    Node(Node<'a>),
    List(Vec<Node<'a>>),
}

fn maybe(text: Option<&str>) -> Field<'_> {
    text.map_or(Field::Null, Field::Text)
}

fn time<'a>(at: Option<i64>) -> Field<'a> {
    at.map_or(Field::Null, Field::Time)
}

fn bag<'a>(cents: i64) -> Field<'a> {
    Field::Node(Node::Bag(cents))
}

fn taxes<'a>(order: &Order, cents: i64) -> Field<'a> {
    Field::List(order.tax.map(|tax| Node::Tax(tax, cents)).into_iter().collect())
}

impl<'a> Node<'a> {
    pub(super) const fn type_name(self) -> &'static str {
        match self {
            Self::Shop => "Shop",
            Self::Order(_) => "Order",
            Self::Line(..) => "LineItem",
            Self::ShippingLine(..) => "ShippingLine",
            Self::Refund(..) => "Refund",
            Self::RefundLine(..) => "RefundLineItem",
            Self::RefundShipping(..) => "RefundShippingLine",
            Self::Adjustment(_) => "OrderAdjustment",
            Self::Transaction(..) => "OrderTransaction",
            Self::Fulfillment(_) => "Fulfillment",
            Self::Service(_) => "FulfillmentService",
            Self::Journey(_) => "CustomerJourneySummary",
            Self::Moments(_) => "Count",
            Self::Visit(_) => "CustomerVisit",
            Self::Utm(_) => "UTMParameters",
            Self::Address(_) => "MailingAddress",
            Self::Tax(..) => "TaxLine",
            Self::Allocation(_) => "DiscountAllocation",
            Self::Attribute(..) => "Attribute",
            Self::Bag(_) => "MoneyBag",
            Self::Money(_) => "MoneyV2",
            Self::Account(_) | Self::Customer(_) => "Customer",
            Self::Email(_) => "CustomerEmailAddress",
            Self::Phone(_) => "CustomerPhoneNumber",
            Self::Product(_) => "Product",
            Self::Variant(..) => "ProductVariant",
            Self::Metafield(_) => "Metafield",
            Self::OptionPair(..) => "SelectedOption",
            Self::Inventory(_) => "InventoryItem",
        }
    }

    pub(super) const fn is_removed(&self) -> bool {
        matches!(self, Self::ShippingLine(_, line) if line.is_removed)
    }

    /// The field `name`, which the plan has checked to exist.
    #[expect(clippy::too_many_lines, reason = "a table of types, one after another")]
    pub(super) fn field(self, world: &'a World, name: &str) -> Field<'a> {
        match self {
            Self::Bag(cents) => Field::Node(Node::Money(cents)),
            Self::Money(cents) => {
                if name == "amount" {
                    Field::Cents(cents)
                } else {
                    Field::Text("USD")
                }
            }
            Self::Order(order) => of_order(order, name),
            Self::Line(order, line) => of_line(world, order, line, name),
            Self::ShippingLine(order, line) => of_shipping(order, line, name),
            Self::Refund(order, refund) => of_refund(order, refund, name),
            Self::RefundLine(order, line) => of_refund_line(order, line, name),
            Self::RefundShipping(order, part) => match name {
                "id" => Field::Gid("RefundShippingLine", part.id),
                "subtotalAmountSet" => bag(part.subtotal),
                "taxAmountSet" => bag(part.tax),
                _ => {
                    let line =
                        order.shipping_lines.iter().find(|line| line.id == part.shipping_line_id);
                    line.map_or(Field::Null, |line| Field::Node(Node::ShippingLine(order, line)))
                }
            },
            Self::Adjustment(part) => match name {
                "id" => Field::Gid("OrderAdjustment", part.id),
                "reason" => Field::Text(part.reason),
                "amountSet" => bag(part.amount),
                _ => bag(part.tax),
            },
            Self::Transaction(order, transaction) => of_transaction(order, transaction, name),
            Self::Fulfillment(part) => match name {
                "id" => Field::Gid("Fulfillment", part.id),
                "legacyResourceId" => Field::Digits(part.id),
                "status" => Field::Text("SUCCESS"),
                "displayStatus" => Field::Text(if part.delivered_at.is_some() {
                    "DELIVERED"
                } else {
                    "IN_TRANSIT"
                }),
                "createdAt" => Field::Time(part.created_at),
                "updatedAt" => Field::Time(part.updated_at),
                "deliveredAt" => time(part.delivered_at),
                _ => Field::Node(Node::Service(part)),
            },
            Self::Service(part) => {
                if name == "handle" {
                    Field::Owned(part.service.to_lowercase())
                } else {
                    Field::Text(part.service)
                }
            }
            Self::Journey(journey) => match name {
                "ready" => Field::Bool(journey.ready),
                "customerOrderIndex" => Field::Int(i64::from(journey.customer_order_index)),
                "daysToConversion" => Field::Int(i64::from(journey.days_to_conversion)),
                "momentsCount" => Field::Node(Node::Moments(journey)),
                "firstVisit" => journey
                    .first_visit
                    .as_ref()
                    .map_or(Field::Null, |visit| Field::Node(Node::Visit(visit))),
                _ => journey
                    .last_visit
                    .as_ref()
                    .map_or(Field::Null, |visit| Field::Node(Node::Visit(visit))),
            },
            Self::Moments(journey) => {
                if name == "count" {
                    Field::Int(i64::from(journey.moments))
                } else {
                    Field::Text("EXACT")
                }
            }
            Self::Visit(visit) => of_visit(visit, name),
            Self::Utm(utm) => match name {
                "source" => Field::Text(utm.source),
                "medium" => Field::Text(utm.medium),
                "campaign" => Field::Text(&utm.campaign),
                "content" => maybe(utm.content.as_deref()),
                _ => maybe(utm.term),
            },
            Self::Address(order) => match name {
                "countryCodeV2" => Field::Text(order.destination.country),
                "provinceCode" => {
                    maybe(Some(order.destination.province).filter(|code| !code.is_empty()))
                }
                "city" => Field::Text(order.destination.city),
                _ => Field::Owned(order.destination.zip()),
            },
            Self::Tax(tax, cents) => match name {
                "title" => Field::Text(tax.title),
                "rate" => Field::Millionths(tax.rate_ppm),
                "ratePercentage" => Field::Millionths(tax.rate_ppm * 100),
                "priceSet" => bag(cents),
                "channelLiable" => Field::Bool(false),
                _ => Field::Text("Shopify"),
            },
            Self::Allocation(cents) => bag(cents),
            Self::Attribute(key, value) => Field::Text(if name == "key" { key } else { value }),
            Self::OptionPair(key, value) => Field::Text(if name == "name" { key } else { value }),
            Self::Shop => match name {
                "id" => Field::Gid("Shop", SHOP_ID),
                "name" => Field::Text(SHOP_NAME),
                "email" => Field::Text("owner@example.com"),
                "url" => Field::Owned(format!("https://{SHOP_DOMAIN}")),
                "myshopifyDomain" => Field::Text(SHOP_DOMAIN),
                "currencyCode" => Field::Text("USD"),
                _ => Field::Text(SHOP_ZONE.name()),
            },
            Self::Account(index) => match name {
                "id" => Field::Gid("Customer", world.customer_id(index)),
                _ => Field::Digits(world.customer_id(index)),
            },
            Self::Customer(customer) => of_customer(customer, name),
            Self::Email(customer) => match name {
                "emailAddress" => Field::Text(&customer.email),
                "marketingState" => Field::Text(customer.consent.name()),
                "marketingOptInLevel" => Field::Text("SINGLE_OPT_IN"),
                _ => time(customer.consent_updated_at),
            },
            Self::Phone(number) => {
                Field::Text(if name == "phoneNumber" { number } else { "NOT_SUBSCRIBED" })
            }
            Self::Product(product) => of_product(product, name),
            Self::Variant(product, variant) => of_variant(product, variant, name),
            Self::Metafield(field) => match name {
                "id" => Field::Gid("Metafield", field.id),
                "legacyResourceId" => Field::Digits(field.id),
                "namespace" => Field::Text(field.namespace),
                "key" => Field::Text(field.key),
                "type" => Field::Text("single_line_text_field"),
                "value" => Field::Text(&field.value),
                _ => Field::Time(field.updated_at),
            },
            Self::Inventory(variant) => match name {
                "id" => Field::Gid("InventoryItem", variant.inventory_item_id),
                "sku" => Field::Text(&variant.sku),
                "tracked" => Field::Bool(false),
                // Nobody keeps a unit cost at Shopify for goods made on demand.
                _ => Field::Null,
            },
        }
    }
}

fn of_order<'a>(order: &'a Order, name: &str) -> Field<'a> {
    match name {
        "id" => Field::Gid("Order", order.id),
        "legacyResourceId" => Field::Digits(order.id),
        "name" => Field::Owned(order.name()),
        "number" => Field::Int(i64::from(order.number)),
        "createdAt" => Field::Time(order.created_at),
        "processedAt" => Field::Time(order.processed_at),
        "updatedAt" => Field::Time(order.updated_at),
        "cancelledAt" => time(order.cancelled.map(|cancelled| cancelled.at)),
        "cancelReason" => maybe(order.cancelled.map(|cancelled| cancelled.reason)),
        "closedAt" => time(order.closed_at),
        "closed" => Field::Bool(order.closed_at.is_some()),
        "confirmed" => Field::Bool(true),
        "test" => Field::Bool(order.is_test),
        "edited" => Field::Bool(order.is_edited),
        "currencyCode" | "presentmentCurrencyCode" => Field::Text("USD"),
        "taxesIncluded" | "dutiesIncluded" => Field::Bool(false),
        "displayFinancialStatus" => Field::Text(order.financial_status()),
        "displayFulfillmentStatus" => Field::Text(order.fulfillment_status()),
        "sourceName" => Field::Text("web"),
        "discountCodes" => {
            Field::Texts(order.discount.and_then(|discount| discount.code).into_iter().collect())
        }
        "tags" => Field::Texts(Vec::new()),
        "totalPriceSet" | "totalReceivedSet" => bag(order.total_price()),
        "currentTotalPriceSet" | "netPaymentSet" => {
            bag(order.total_price() - order.total_refunded())
        }
        "originalTotalPriceSet" => {
            let removed = order.shipping_lines.iter().filter(|line| line.is_removed);
            let kept: i64 = order.live_shipping().map(|line| line.discounted() + line.tax).sum();
            let removed: i64 = removed.map(|line| line.discounted() + line.tax).sum();
            // An edit swapped the shipping line: at placement the first one was charged.
            bag(if order.is_edited {
                order.total_price() - kept + removed
            } else {
                order.total_price()
            })
        }
        "subtotalPriceSet" => bag(order.subtotal()),
        "totalDiscountsSet" => bag(order.total_discounts()),
        "totalTaxSet" => bag(order.total_tax()),
        "totalShippingPriceSet" => bag(order.total_shipping()),
        "totalRefundedSet" => bag(order.total_refunded()),
        "totalTipReceivedSet" => bag(0),
        "shippingAddress" => Field::Node(Node::Address(order)),
        "customer" => order.customer.map_or(Field::Null, |index| Field::Node(Node::Account(index))),
        "taxLines" => taxes(order, order.total_tax()),
        "customerJourneySummary" => Field::Node(Node::Journey(&order.journey)),
        "lineItems" => {
            Field::List(order.lines.iter().map(|line| Node::Line(order, line)).collect())
        }
        "shippingLines" => Field::List(
            order.shipping_lines.iter().map(|line| Node::ShippingLine(order, line)).collect(),
        ),
        "refunds" => {
            Field::List(order.refunds.iter().map(|refund| Node::Refund(order, refund)).collect())
        }
        "transactions" => Field::List(
            order.transactions.iter().map(|one| Node::Transaction(order, one)).collect(),
        ),
        "fulfillments" => Field::List(order.fulfillments.iter().map(Node::Fulfillment).collect()),
        _ => Field::Null,
    }
}

fn of_line<'a>(world: &'a World, order: &'a Order, line: &'a Line, name: &str) -> Field<'a> {
    let found = || world.variant(line.variant);
    let of_variant = |show: fn(&'a Product, &'a Variant) -> Field<'a>| {
        found().map_or(Field::Null, |(product, variant)| show(product, variant))
    };
    match name {
        "id" => Field::Gid("LineItem", line.id),
        "title" => found()
            .map_or(Field::Text("Deleted product"), |(product, _)| Field::Text(&product.title)),
        "name" => found().map_or(Field::Text("Deleted product"), |(product, variant)| {
            Field::Owned(format!("{} - {}", product.title, variant.title))
        }),
        "sku" => of_variant(|_, variant| Field::Text(&variant.sku)),
        "quantity" => Field::Int(line.quantity),
        "currentQuantity" | "refundableQuantity" => {
            Field::Int(line.quantity - line.refunded_quantity)
        }
        "vendor" => of_variant(|product, _| Field::Text(product.vendor)),
        "variantTitle" => of_variant(|_, variant| Field::Text(&variant.title)),
        "isGiftCard" => Field::Bool(false),
        "requiresShipping" | "taxable" => Field::Bool(true),
        "variant" => of_variant(|product, variant| Field::Node(Node::Variant(product, variant))),
        "product" => of_variant(|product, _| Field::Node(Node::Product(product))),
        "customAttributes" => Field::List(
            order
                .device_id
                .as_deref()
                .map(|id| Node::Attribute("_device_id", id))
                .into_iter()
                .collect(),
        ),
        "originalUnitPriceSet" => bag(line.unit_price),
        "originalTotalSet" => bag(line.gross()),
        "discountedTotalSet" => bag(line.gross() - line.line_discount),
        "totalDiscountSet" => bag(line.line_discount),
        "discountAllocations" => {
            Field::List(line.discount_allocations().map(Node::Allocation).collect())
        }
        "taxLines" => taxes(order, line.tax),
        _ => Field::Null,
    }
}

fn of_shipping<'a>(order: &'a Order, line: &'a ShippingLine, name: &str) -> Field<'a> {
    match name {
        "id" => Field::Gid("ShippingLine", line.id),
        "title" => Field::Text(line.title),
        "code" => Field::Text(line.code),
        "source" => Field::Text("shopify"),
        "isRemoved" => Field::Bool(line.is_removed),
        "originalPriceSet" => bag(line.price),
        "discountedPriceSet" => bag(line.discounted()),
        "currentDiscountedPriceSet" => bag(if line.is_removed { 0 } else { line.discounted() }),
        "discountAllocations" => Field::List(
            Some(line.discount)
                .filter(|cents| *cents != 0)
                .map(Node::Allocation)
                .into_iter()
                .collect(),
        ),
        "taxLines" if line.tax == 0 => Field::List(Vec::new()),
        "taxLines" => taxes(order, line.tax),
        _ => Field::Null,
    }
}

fn of_refund<'a>(order: &'a Order, refund: &'a Refund, name: &str) -> Field<'a> {
    match name {
        "id" => Field::Gid("Refund", refund.id),
        "legacyResourceId" => Field::Digits(refund.id),
        "createdAt" | "processedAt" | "updatedAt" => Field::Time(refund.created_at),
        "note" => Field::Text(refund.note),
        "totalRefundedSet" => bag(refund.cash()),
        "refundLineItems" => {
            Field::List(refund.lines.iter().map(|line| Node::RefundLine(order, line)).collect())
        }
        "refundShippingLines" => Field::List(
            refund.shipping.iter().map(|part| Node::RefundShipping(order, part)).collect(),
        ),
        "orderAdjustments" => Field::List(refund.adjustment.iter().map(Node::Adjustment).collect()),
        _ => Field::Null,
    }
}

fn of_refund_line<'a>(order: &'a Order, line: &'a RefundLine, name: &str) -> Field<'a> {
    match name {
        "id" => Field::Gid("RefundLineItem", line.id),
        "quantity" => Field::Int(line.quantity),
        "restockType" => Field::Text(line.restock_type),
        "restocked" => Field::Bool(false),
        "priceSet" => bag(if line.quantity > 0 { line.subtotal / line.quantity } else { 0 }),
        "subtotalSet" => bag(line.subtotal),
        "totalTaxSet" => bag(line.tax),
        _ => {
            let found = order.lines.iter().find(|known| known.id == line.line_id);
            found.map_or(Field::Null, |found| Field::Node(Node::Line(order, found)))
        }
    }
}

fn of_transaction<'a>(order: &'a Order, transaction: &'a Transaction, name: &str) -> Field<'a> {
    match name {
        "id" => Field::Gid("OrderTransaction", transaction.id),
        "kind" => Field::Text(transaction.kind),
        "status" => Field::Text("SUCCESS"),
        "gateway" => Field::Text(order.gateway.name()),
        "paymentId" => maybe(transaction.payment_id.as_deref()),
        "createdAt" | "processedAt" => Field::Time(transaction.processed_at),
        "test" => Field::Bool(order.is_test),
        "amountSet" => bag(transaction.amount),
        // Only Shopify Payments tells its fees, and this shop's cards go through Stripe.
        "fees" => Field::List(Vec::new()),
        _ => {
            let parent = transaction
                .parent_id
                .and_then(|id| order.transactions.iter().find(|one| one.id == id));
            parent.map_or(Field::Null, |parent| Field::Node(Node::Transaction(order, parent)))
        }
    }
}

fn of_visit<'a>(visit: &'a Visit, name: &str) -> Field<'a> {
    match name {
        "id" => Field::Gid("CustomerVisit", visit.id),
        "occurredAt" => Field::Time(visit.occurred_at),
        "source" => Field::Text(visit.source),
        "sourceType" => maybe(visit.source_type),
        "referrerUrl" => maybe(visit.referrer_url),
        "landingPage" => Field::Owned(format!("https://{SHOP_DOMAIN}{}", visit.landing_page)),
        "utmParameters" => {
            visit.utm.as_ref().map_or(Field::Null, |utm| Field::Node(Node::Utm(utm)))
        }
        _ => Field::Null,
    }
}

fn of_customer<'a>(customer: &'a Customer, name: &str) -> Field<'a> {
    match name {
        "id" => Field::Gid("Customer", customer.id),
        "legacyResourceId" => Field::Digits(customer.id),
        "createdAt" => Field::Time(customer.created_at),
        "updatedAt" => Field::Time(customer.updated_at),
        "firstName" => Field::Text(customer.first_name),
        "lastName" => Field::Text(customer.last_name),
        "displayName" => Field::Owned(format!("{} {}", customer.first_name, customer.last_name)),
        "locale" => Field::Text(customer.locale),
        "numberOfOrders" => Field::Digits(u64::from(customer.number_of_orders)),
        "tags" => Field::Texts(customer.tags.clone()),
        "verifiedEmail" => Field::Bool(customer.verified_email),
        "amountSpent" => Field::Node(Node::Money(customer.amount_spent)),
        "defaultEmailAddress" => Field::Node(Node::Email(customer)),
        _ => customer.phone.as_deref().map_or(Field::Null, |phone| Field::Node(Node::Phone(phone))),
    }
}

fn of_product<'a>(product: &'a Product, name: &str) -> Field<'a> {
    match name {
        "id" => Field::Gid("Product", product.id),
        "legacyResourceId" => Field::Digits(product.id),
        "handle" => Field::Text(&product.handle),
        "title" => Field::Text(&product.title),
        "status" => Field::Text(product.status),
        "productType" => Field::Text(product.product_type),
        "vendor" => Field::Text(product.vendor),
        "tags" => Field::Texts(product.tags.iter().map(String::as_str).collect()),
        "createdAt" => Field::Time(product.created_at),
        "updatedAt" => Field::Time(product.updated_at),
        "publishedAt" => time(Some(product.created_at).filter(|_| product.status == "ACTIVE")),
        "metafields" => Field::List(product.metafields.iter().map(Node::Metafield).collect()),
        _ => Field::List(
            product.variants.iter().map(|variant| Node::Variant(product, variant)).collect(),
        ),
    }
}

fn of_variant<'a>(product: &'a Product, variant: &'a Variant, name: &str) -> Field<'a> {
    match name {
        "id" => Field::Gid("ProductVariant", variant.id),
        "legacyResourceId" => Field::Digits(variant.id),
        "sku" => Field::Text(&variant.sku),
        "title" => Field::Text(&variant.title),
        "displayName" => Field::Owned(format!("{} - {}", product.title, variant.title)),
        "position" => Field::Int(i64::from(variant.key % 16) + 1),
        "price" => Field::Price(variant.price),
        "compareAtPrice" => variant.compare_at_price.map_or(Field::Null, Field::Price),
        "createdAt" => Field::Time(product.created_at),
        "updatedAt" => Field::Time(product.updated_at),
        "selectedOptions" => Field::List(
            variant.options.iter().map(|(name, value)| Node::OptionPair(name, value)).collect(),
        ),
        "inventoryItem" => Field::Node(Node::Inventory(variant)),
        _ => Field::Node(Node::Product(product)),
    }
}
