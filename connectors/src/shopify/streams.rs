//! The declared shape of what is read from Shopify: names as Shopify spells them.
//!
//! Everything may be missing but the id: a saved answer may select less than the live query does,
//! and Shopify itself leaves out what a token may not see.

use crate::{
    kit::record::{Field, Kind, Record},
    source::Stream,
};

/// Every stream of a shop.
pub(crate) static ALL: &[Stream] = &[
    Stream { name: "shop", key: &["id"], record: &SHOP, context: &[] },
    Stream { name: "orders", key: &["id"], record: &ORDER, context: &[] },
    Stream { name: "products", key: &["id"], record: &PRODUCT, context: &[] },
    Stream { name: "customers", key: &["id"], record: &CUSTOMER, context: &[] },
];

static SHOP: Record = Record {
    fields: &[
        Field::new("id", Kind::Text).required(),
        Field::new("name", Kind::Text),
        Field::new("myshopifyDomain", Kind::Text),
        Field::new("currencyCode", Kind::Text),
        Field::new("ianaTimezone", Kind::Text),
    ],
};

static ORDER: Record = Record {
    fields: &[
        Field::new("id", Kind::Text).required(),
        Field::new("legacyResourceId", Kind::Id),
        Field::new("name", Kind::Text),
        Field::new("createdAt", Kind::Timestamp),
        Field::new("processedAt", Kind::Timestamp),
        Field::new("updatedAt", Kind::Timestamp),
        Field::new("cancelledAt", Kind::Timestamp),
        Field::new("cancelReason", Kind::Text),
        Field::new("closedAt", Kind::Timestamp),
        Field::new("test", Kind::Boolean),
        Field::new("edited", Kind::Boolean),
        Field::new("currencyCode", Kind::Text),
        Field::new("presentmentCurrencyCode", Kind::Text),
        Field::new("taxesIncluded", Kind::Boolean),
        Field::new("dutiesIncluded", Kind::Boolean),
        Field::new("displayFinancialStatus", Kind::Text),
        Field::new("displayFulfillmentStatus", Kind::Text),
        Field::new("sourceName", Kind::Text),
        Field::new("discountCodes", TEXTS),
        Field::new("tags", TEXTS),
        Field::new("totalPriceSet", BAG),
        Field::new("currentTotalPriceSet", BAG),
        Field::new("originalTotalPriceSet", BAG),
        Field::new("subtotalPriceSet", BAG),
        Field::new("totalDiscountsSet", BAG),
        Field::new("totalTaxSet", BAG),
        Field::new("totalShippingPriceSet", BAG),
        Field::new("totalRefundedSet", BAG),
        Field::new("netPaymentSet", BAG),
        Field::new("totalTipReceivedSet", BAG),
        Field::new("shippingAddress", Kind::Struct(&ADDRESS)),
        Field::new("customer", REFERENCE),
        Field::new("taxLines", TAX_LINES),
        Field::new("customerJourneySummary", Kind::Struct(&JOURNEY)),
        Field::new("lineItems", Kind::Connection(&Kind::Struct(&LINE_ITEM))),
        Field::new("shippingLines", Kind::Connection(&Kind::Struct(&SHIPPING_LINE))),
        Field::new("refunds", Kind::List(&Kind::Struct(&REFUND))),
        Field::new("transactions", Kind::List(&Kind::Struct(&TRANSACTION))),
        Field::new("fulfillments", Kind::List(&Kind::Struct(&FULFILLMENT))),
    ],
};

static LINE_ITEM: Record = Record {
    fields: &[
        Field::new("id", Kind::Text),
        Field::new("title", Kind::Text),
        Field::new("sku", Kind::Text),
        Field::new("quantity", Kind::Integer),
        Field::new("currentQuantity", Kind::Integer),
        Field::new("refundableQuantity", Kind::Integer),
        Field::new("vendor", Kind::Text),
        Field::new("isGiftCard", Kind::Boolean),
        Field::new("requiresShipping", Kind::Boolean),
        Field::new("variant", REFERENCE),
        Field::new("product", REFERENCE),
        Field::new("customAttributes", Kind::List(&Kind::Struct(&ATTRIBUTE))),
        Field::new("originalUnitPriceSet", BAG),
        Field::new("originalTotalSet", BAG),
        Field::new("discountedTotalSet", BAG),
        Field::new("discountAllocations", ALLOCATIONS),
        Field::new("taxLines", TAX_LINES),
    ],
};

static SHIPPING_LINE: Record = Record {
    fields: &[
        Field::new("id", Kind::Text),
        Field::new("title", Kind::Text),
        Field::new("code", Kind::Text),
        Field::new("source", Kind::Text),
        Field::new("carrierIdentifier", Kind::Text),
        Field::new("isRemoved", Kind::Boolean),
        Field::new("originalPriceSet", BAG),
        Field::new("discountedPriceSet", BAG),
        Field::new("discountAllocations", ALLOCATIONS),
        Field::new("taxLines", TAX_LINES),
    ],
};

static REFUND: Record = Record {
    fields: &[
        Field::new("id", Kind::Text),
        Field::new("legacyResourceId", Kind::Id),
        Field::new("createdAt", Kind::Timestamp),
        Field::new("processedAt", Kind::Timestamp),
        Field::new("updatedAt", Kind::Timestamp),
        Field::new("note", Kind::Text),
        Field::new("totalRefundedSet", BAG),
        Field::new("refundLineItems", Kind::Connection(&Kind::Struct(&REFUND_LINE))),
        Field::new("refundShippingLines", Kind::Connection(&Kind::Struct(&REFUND_SHIPPING))),
        Field::new("orderAdjustments", Kind::Connection(&Kind::Struct(&ADJUSTMENT))),
    ],
};

static REFUND_LINE: Record = Record {
    fields: &[
        Field::new("id", Kind::Text),
        Field::new("quantity", Kind::Integer),
        Field::new("restockType", Kind::Text),
        Field::new("lineItem", REFERENCE),
        Field::new("priceSet", BAG),
        Field::new("subtotalSet", BAG),
        Field::new("totalTaxSet", BAG),
    ],
};

static REFUND_SHIPPING: Record = Record {
    fields: &[
        Field::new("id", Kind::Text),
        Field::new("subtotalAmountSet", BAG),
        Field::new("taxAmountSet", BAG),
        Field::new("shippingLine", REFERENCE),
    ],
};

static ADJUSTMENT: Record = Record {
    fields: &[
        Field::new("id", Kind::Text),
        Field::new("reason", Kind::Text),
        Field::new("amountSet", BAG),
        Field::new("taxAmountSet", BAG),
    ],
};

static TRANSACTION: Record = Record {
    fields: &[
        Field::new("id", Kind::Text),
        Field::new("kind", Kind::Text),
        Field::new("status", Kind::Text),
        Field::new("gateway", Kind::Text),
        Field::new("paymentId", Kind::Text),
        Field::new("processedAt", Kind::Timestamp),
        Field::new("test", Kind::Boolean),
        Field::new("amountSet", BAG),
        Field::new("fees", Kind::List(&Kind::Struct(&FEE))),
        Field::new("parentTransaction", REFERENCE),
    ],
};

static FEE: Record = Record {
    fields: &[
        Field::new("amount", MONEY),
        Field::new("flatFee", MONEY),
        Field::new("rate", Kind::Rate),
        Field::new("rateName", Kind::Text),
        Field::new("taxAmount", MONEY),
        Field::new("type", Kind::Text),
    ],
};

static FULFILLMENT: Record = Record {
    fields: &[
        Field::new("id", Kind::Text),
        Field::new("status", Kind::Text),
        Field::new("displayStatus", Kind::Text),
        Field::new("createdAt", Kind::Timestamp),
        Field::new("updatedAt", Kind::Timestamp),
        Field::new("deliveredAt", Kind::Timestamp),
        Field::new("service", Kind::Struct(&SERVICE)),
    ],
};

static SERVICE: Record =
    Record { fields: &[Field::new("handle", Kind::Text), Field::new("serviceName", Kind::Text)] };

static ADDRESS: Record = Record {
    fields: &[
        Field::new("countryCodeV2", Kind::Text),
        Field::new("provinceCode", Kind::Text),
        Field::new("zip", Kind::Text).pii(),
    ],
};

static JOURNEY: Record = Record {
    fields: &[
        Field::new("ready", Kind::Boolean),
        Field::new("customerOrderIndex", Kind::Integer),
        Field::new("momentsCount", Kind::Struct(&COUNT)),
        Field::new("daysToConversion", Kind::Integer),
        Field::new("firstVisit", Kind::Struct(&VISIT)),
        Field::new("lastVisit", Kind::Struct(&VISIT)),
    ],
};

static COUNT: Record =
    Record { fields: &[Field::new("count", Kind::Integer), Field::new("precision", Kind::Text)] };

static VISIT: Record = Record {
    fields: &[
        Field::new("id", Kind::Text),
        Field::new("occurredAt", Kind::Timestamp),
        Field::new("source", Kind::Text),
        Field::new("sourceType", Kind::Text),
        Field::new("referrerUrl", Kind::Text),
        Field::new("landingPage", Kind::Text),
        Field::new("referralCode", Kind::Text),
        Field::new("utmParameters", Kind::Struct(&UTM)),
    ],
};

static UTM: Record = Record {
    fields: &[
        Field::new("source", Kind::Text),
        Field::new("medium", Kind::Text),
        Field::new("campaign", Kind::Text),
        Field::new("content", Kind::Text),
        Field::new("term", Kind::Text),
    ],
};

static PRODUCT: Record = Record {
    fields: &[
        Field::new("id", Kind::Text).required(),
        Field::new("legacyResourceId", Kind::Id),
        Field::new("handle", Kind::Text),
        Field::new("title", Kind::Text),
        Field::new("status", Kind::Text),
        Field::new("productType", Kind::Text),
        Field::new("vendor", Kind::Text),
        Field::new("tags", TEXTS),
        Field::new("createdAt", Kind::Timestamp),
        Field::new("updatedAt", Kind::Timestamp),
        Field::new("publishedAt", Kind::Timestamp),
        Field::new("metafields", Kind::Connection(&Kind::Struct(&METAFIELD))),
        Field::new("variants", Kind::Connection(&Kind::Struct(&VARIANT))),
    ],
};

static METAFIELD: Record = Record {
    fields: &[
        Field::new("id", Kind::Text),
        Field::new("namespace", Kind::Text),
        Field::new("key", Kind::Text),
        Field::new("type", Kind::Text),
        Field::new("value", Kind::Text),
        Field::new("updatedAt", Kind::Timestamp),
    ],
};

static VARIANT: Record = Record {
    fields: &[
        Field::new("id", Kind::Text),
        Field::new("legacyResourceId", Kind::Id),
        Field::new("sku", Kind::Text),
        Field::new("title", Kind::Text),
        Field::new("price", Kind::Decimal),
        Field::new("compareAtPrice", Kind::Decimal),
        Field::new("selectedOptions", Kind::List(&Kind::Struct(&OPTION))),
        Field::new("inventoryItem", Kind::Struct(&INVENTORY_ITEM)),
        Field::new("updatedAt", Kind::Timestamp),
    ],
};

static OPTION: Record =
    Record { fields: &[Field::new("name", Kind::Text), Field::new("value", Kind::Text)] };

static INVENTORY_ITEM: Record =
    Record { fields: &[Field::new("id", Kind::Text), Field::new("unitCost", MONEY)] };

static CUSTOMER: Record = Record {
    fields: &[
        Field::new("id", Kind::Text).required(),
        Field::new("legacyResourceId", Kind::Id),
        Field::new("createdAt", Kind::Timestamp),
        Field::new("updatedAt", Kind::Timestamp),
        Field::new("firstName", Kind::Text).pii(),
        Field::new("lastName", Kind::Text).pii(),
        Field::new("locale", Kind::Text),
        Field::new("numberOfOrders", Kind::Integer),
        Field::new("amountSpent", MONEY),
        Field::new("tags", TEXTS),
        Field::new("verifiedEmail", Kind::Boolean),
        Field::new("defaultEmailAddress", Kind::Struct(&EMAIL)),
        Field::new("defaultPhoneNumber", Kind::Struct(&PHONE)),
    ],
};

static EMAIL: Record = Record {
    fields: &[
        Field::new("emailAddress", Kind::Text).pii(),
        Field::new("marketingState", Kind::Text),
        Field::new("marketingOptInLevel", Kind::Text),
        Field::new("marketingUpdatedAt", Kind::Timestamp),
    ],
};

static PHONE: Record = Record { fields: &[Field::new("phoneNumber", Kind::Text).pii()] };

static MONEY_V2: Record = Record {
    fields: &[Field::new("amount", Kind::Decimal), Field::new("currencyCode", Kind::Text)],
};

static MONEY_BAG: Record =
    Record { fields: &[Field::new("shopMoney", MONEY), Field::new("presentmentMoney", MONEY)] };

static NODE: Record = Record { fields: &[Field::new("id", Kind::Text)] };

static ATTRIBUTE: Record =
    Record { fields: &[Field::new("key", Kind::Text), Field::new("value", Kind::Text)] };

static ALLOCATION: Record = Record { fields: &[Field::new("allocatedAmountSet", BAG)] };

static TAX_LINE: Record = Record {
    fields: &[
        Field::new("title", Kind::Text),
        Field::new("rate", Kind::Rate),
        Field::new("ratePercentage", Kind::Rate),
        Field::new("priceSet", BAG),
        Field::new("channelLiable", Kind::Boolean),
    ],
};

const TEXTS: Kind = Kind::List(&Kind::Text);
const MONEY: Kind = Kind::Struct(&MONEY_V2);
const BAG: Kind = Kind::Struct(&MONEY_BAG);
const REFERENCE: Kind = Kind::Struct(&NODE);
const ALLOCATIONS: Kind = Kind::List(&Kind::Struct(&ALLOCATION));
const TAX_LINES: Kind = Kind::List(&Kind::Struct(&TAX_LINE));
