//! The part of Shopify's Admin schema that the sandbox can answer, by the vendor's own names.

/// An object type.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) name: &'static str,
    pub(super) fields: &'static [Def],
}

/// A field of it.
#[derive(Debug)]
pub(super) struct Def {
    pub(super) name: &'static str,
    pub(super) of: Of,
    pub(super) arguments: &'static [&'static str],
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    /// A scalar, an enum, or a list of them.
    Leaf,
    Object(&'static Type),
    List(&'static Type),
    Connection(&'static Type),
    /// `node` and `nodes`: any of [`NODES`].
    Node,
    Nodes,
}

const PAGING: &[&str] = &["after", "first", "reverse"];
const SEARCH: &[&str] = &["after", "first", "query", "reverse", "sortKey"];

const fn leaf(name: &'static str) -> Def {
    Def { name, of: Of::Leaf, arguments: &[] }
}

const fn object(name: &'static str, of: &'static Type) -> Def {
    Def { name, of: Of::Object(of), arguments: &[] }
}

const fn list(name: &'static str, of: &'static Type) -> Def {
    Def { name, of: Of::List(of), arguments: &[] }
}

const fn connection(name: &'static str, of: &'static Type) -> Def {
    Def { name, of: Of::Connection(of), arguments: PAGING }
}

const fn taking(def: Def, arguments: &'static [&'static str]) -> Def {
    Def { arguments, ..def }
}

impl Type {
    pub(super) fn field(&self, name: &str) -> Option<&'static Def> {
        self.fields.iter().find(|def| def.name == name)
    }
}

/// Types that `node(id:)` can answer.
pub(super) static NODES: [&Type; 5] = [&ORDER, &PRODUCT, &CUSTOMER, &REFUND, &VARIANT];

pub(super) static QUERY: Type = Type {
    name: "QueryRoot",
    fields: &[
        taking(connection("orders", &ORDER), SEARCH),
        taking(object("order", &ORDER), &["id"]),
        taking(connection("products", &PRODUCT), SEARCH),
        taking(object("product", &PRODUCT), &["id"]),
        taking(connection("customers", &CUSTOMER), SEARCH),
        taking(object("customer", &CUSTOMER), &["id"]),
        Def { name: "node", of: Of::Node, arguments: &["id"] },
        Def { name: "nodes", of: Of::Nodes, arguments: &["ids"] },
        object("shop", &SHOP),
    ],
};

pub(super) static SHOP: Type = Type {
    name: "Shop",
    fields: &[
        leaf("id"),
        leaf("name"),
        leaf("email"),
        leaf("url"),
        leaf("myshopifyDomain"),
        leaf("currencyCode"),
        leaf("ianaTimezone"),
    ],
};

pub(super) static PAGE_INFO: Type = Type {
    name: "PageInfo",
    fields: &[leaf("hasNextPage"), leaf("hasPreviousPage"), leaf("startCursor"), leaf("endCursor")],
};

pub(super) static MONEY: Type =
    Type { name: "MoneyV2", fields: &[leaf("amount"), leaf("currencyCode")] };

pub(super) static BAG: Type = Type {
    name: "MoneyBag",
    fields: &[object("shopMoney", &MONEY), object("presentmentMoney", &MONEY)],
};

pub(super) static TAX: Type = Type {
    name: "TaxLine",
    fields: &[
        leaf("title"),
        leaf("rate"),
        leaf("ratePercentage"),
        object("priceSet", &BAG),
        leaf("channelLiable"),
        leaf("source"),
    ],
};

pub(super) static ALLOCATION: Type =
    Type { name: "DiscountAllocation", fields: &[object("allocatedAmountSet", &BAG)] };

pub(super) static ATTRIBUTE: Type =
    Type { name: "Attribute", fields: &[leaf("key"), leaf("value")] };

pub(super) static ADDRESS: Type = Type {
    name: "MailingAddress",
    fields: &[leaf("city"), leaf("countryCodeV2"), leaf("provinceCode"), leaf("zip")],
};

pub(super) static ORDER: Type = Type {
    name: "Order",
    fields: &[
        leaf("id"),
        leaf("legacyResourceId"),
        leaf("name"),
        leaf("number"),
        leaf("createdAt"),
        leaf("processedAt"),
        leaf("updatedAt"),
        leaf("cancelledAt"),
        leaf("cancelReason"),
        leaf("closedAt"),
        leaf("closed"),
        leaf("confirmed"),
        leaf("test"),
        leaf("edited"),
        leaf("note"),
        leaf("currencyCode"),
        leaf("presentmentCurrencyCode"),
        leaf("taxesIncluded"),
        leaf("dutiesIncluded"),
        leaf("displayFinancialStatus"),
        leaf("displayFulfillmentStatus"),
        leaf("sourceName"),
        leaf("discountCodes"),
        leaf("tags"),
        object("totalPriceSet", &BAG),
        object("currentTotalPriceSet", &BAG),
        object("originalTotalPriceSet", &BAG),
        object("subtotalPriceSet", &BAG),
        object("totalDiscountsSet", &BAG),
        object("totalTaxSet", &BAG),
        object("totalShippingPriceSet", &BAG),
        object("totalRefundedSet", &BAG),
        object("netPaymentSet", &BAG),
        object("totalReceivedSet", &BAG),
        object("totalTipReceivedSet", &BAG),
        object("shippingAddress", &ADDRESS),
        object("customer", &CUSTOMER),
        list("taxLines", &TAX),
        object("customerJourneySummary", &JOURNEY),
        connection("lineItems", &LINE),
        taking(
            connection("shippingLines", &SHIPPING_LINE),
            &["after", "first", "reverse", "includeRemovals"],
        ),
        taking(list("refunds", &REFUND), &["first"]),
        taking(list("transactions", &TRANSACTION), &["first"]),
        taking(list("fulfillments", &FULFILLMENT), &["first"]),
    ],
};

pub(super) static LINE: Type = Type {
    name: "LineItem",
    fields: &[
        leaf("id"),
        leaf("title"),
        leaf("name"),
        leaf("sku"),
        leaf("quantity"),
        leaf("currentQuantity"),
        leaf("refundableQuantity"),
        leaf("vendor"),
        leaf("variantTitle"),
        leaf("isGiftCard"),
        leaf("requiresShipping"),
        leaf("taxable"),
        object("variant", &VARIANT),
        object("product", &PRODUCT),
        list("customAttributes", &ATTRIBUTE),
        object("originalUnitPriceSet", &BAG),
        object("originalTotalSet", &BAG),
        object("discountedTotalSet", &BAG),
        object("totalDiscountSet", &BAG),
        list("discountAllocations", &ALLOCATION),
        taking(list("taxLines", &TAX), &["first"]),
    ],
};

pub(super) static SHIPPING_LINE: Type = Type {
    name: "ShippingLine",
    fields: &[
        leaf("id"),
        leaf("title"),
        leaf("code"),
        leaf("source"),
        leaf("carrierIdentifier"),
        leaf("isRemoved"),
        object("originalPriceSet", &BAG),
        object("discountedPriceSet", &BAG),
        object("currentDiscountedPriceSet", &BAG),
        list("discountAllocations", &ALLOCATION),
        list("taxLines", &TAX),
    ],
};

pub(super) static REFUND: Type = Type {
    name: "Refund",
    fields: &[
        leaf("id"),
        leaf("legacyResourceId"),
        leaf("createdAt"),
        leaf("processedAt"),
        leaf("updatedAt"),
        leaf("note"),
        object("totalRefundedSet", &BAG),
        connection("refundLineItems", &REFUND_LINE),
        connection("refundShippingLines", &REFUND_SHIPPING),
        connection("orderAdjustments", &ADJUSTMENT),
    ],
};

pub(super) static REFUND_LINE: Type = Type {
    name: "RefundLineItem",
    fields: &[
        leaf("id"),
        leaf("quantity"),
        leaf("restockType"),
        leaf("restocked"),
        object("lineItem", &LINE),
        object("priceSet", &BAG),
        object("subtotalSet", &BAG),
        object("totalTaxSet", &BAG),
    ],
};

pub(super) static REFUND_SHIPPING: Type = Type {
    name: "RefundShippingLine",
    fields: &[
        leaf("id"),
        object("subtotalAmountSet", &BAG),
        object("taxAmountSet", &BAG),
        object("shippingLine", &SHIPPING_LINE),
    ],
};

pub(super) static ADJUSTMENT: Type = Type {
    name: "OrderAdjustment",
    fields: &[leaf("id"), leaf("reason"), object("amountSet", &BAG), object("taxAmountSet", &BAG)],
};

pub(super) static TRANSACTION: Type = Type {
    name: "OrderTransaction",
    fields: &[
        leaf("id"),
        leaf("kind"),
        leaf("status"),
        leaf("gateway"),
        leaf("paymentId"),
        leaf("createdAt"),
        leaf("processedAt"),
        leaf("test"),
        object("amountSet", &BAG),
        list("fees", &FEE),
        object("parentTransaction", &TRANSACTION),
    ],
};

pub(super) static FEE: Type = Type {
    name: "TransactionFee",
    fields: &[
        leaf("id"),
        leaf("rate"),
        leaf("rateName"),
        leaf("type"),
        object("amount", &MONEY),
        object("flatFee", &MONEY),
        object("taxAmount", &MONEY),
    ],
};

pub(super) static FULFILLMENT: Type = Type {
    name: "Fulfillment",
    fields: &[
        leaf("id"),
        leaf("legacyResourceId"),
        leaf("status"),
        leaf("displayStatus"),
        leaf("createdAt"),
        leaf("updatedAt"),
        leaf("deliveredAt"),
        object("service", &SERVICE),
    ],
};

pub(super) static SERVICE: Type =
    Type { name: "FulfillmentService", fields: &[leaf("handle"), leaf("serviceName")] };

pub(super) static COUNT: Type = Type { name: "Count", fields: &[leaf("count"), leaf("precision")] };

pub(super) static JOURNEY: Type = Type {
    name: "CustomerJourneySummary",
    fields: &[
        leaf("ready"),
        leaf("customerOrderIndex"),
        leaf("daysToConversion"),
        object("momentsCount", &COUNT),
        object("firstVisit", &VISIT),
        object("lastVisit", &VISIT),
    ],
};

pub(super) static VISIT: Type = Type {
    name: "CustomerVisit",
    fields: &[
        leaf("id"),
        leaf("occurredAt"),
        leaf("source"),
        leaf("sourceDescription"),
        leaf("sourceType"),
        leaf("referrerUrl"),
        leaf("landingPage"),
        leaf("referralCode"),
        object("utmParameters", &UTM),
    ],
};

pub(super) static UTM: Type = Type {
    name: "UTMParameters",
    fields: &[leaf("source"), leaf("medium"), leaf("campaign"), leaf("content"), leaf("term")],
};

pub(super) static CUSTOMER: Type = Type {
    name: "Customer",
    fields: &[
        leaf("id"),
        leaf("legacyResourceId"),
        leaf("createdAt"),
        leaf("updatedAt"),
        leaf("firstName"),
        leaf("lastName"),
        leaf("displayName"),
        leaf("locale"),
        leaf("numberOfOrders"),
        leaf("tags"),
        leaf("verifiedEmail"),
        object("amountSpent", &MONEY),
        object("defaultEmailAddress", &EMAIL),
        object("defaultPhoneNumber", &PHONE),
    ],
};

pub(super) static EMAIL: Type = Type {
    name: "CustomerEmailAddress",
    fields: &[
        leaf("emailAddress"),
        leaf("marketingState"),
        leaf("marketingOptInLevel"),
        leaf("marketingUpdatedAt"),
    ],
};

pub(super) static PHONE: Type =
    Type { name: "CustomerPhoneNumber", fields: &[leaf("phoneNumber"), leaf("marketingState")] };

pub(super) static PRODUCT: Type = Type {
    name: "Product",
    fields: &[
        leaf("id"),
        leaf("legacyResourceId"),
        leaf("handle"),
        leaf("title"),
        leaf("status"),
        leaf("productType"),
        leaf("vendor"),
        leaf("tags"),
        leaf("createdAt"),
        leaf("updatedAt"),
        leaf("publishedAt"),
        taking(connection("metafields", &METAFIELD), &["after", "first", "reverse", "namespace"]),
        connection("variants", &VARIANT),
    ],
};

pub(super) static METAFIELD: Type = Type {
    name: "Metafield",
    fields: &[
        leaf("id"),
        leaf("legacyResourceId"),
        leaf("namespace"),
        leaf("key"),
        leaf("type"),
        leaf("value"),
        leaf("createdAt"),
        leaf("updatedAt"),
    ],
};

pub(super) static VARIANT: Type = Type {
    name: "ProductVariant",
    fields: &[
        leaf("id"),
        leaf("legacyResourceId"),
        leaf("sku"),
        leaf("title"),
        leaf("displayName"),
        leaf("position"),
        leaf("price"),
        leaf("compareAtPrice"),
        leaf("createdAt"),
        leaf("updatedAt"),
        list("selectedOptions", &OPTION),
        object("inventoryItem", &INVENTORY),
        object("product", &PRODUCT),
    ],
};

pub(super) static OPTION: Type =
    Type { name: "SelectedOption", fields: &[leaf("name"), leaf("value")] };

pub(super) static INVENTORY: Type = Type {
    name: "InventoryItem",
    fields: &[leaf("id"), leaf("sku"), leaf("tracked"), object("unitCost", &MONEY)],
};
