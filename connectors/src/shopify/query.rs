//! The GraphQL that Shopify is asked, and what it costs.
//!
//! Shopify refuses a query that could cost over 1000 points: an object costs 1, a scalar nothing,
//! a connection 2 and its page size times the cost of one node. A list that is not a connection
//! is charged as one object. What the queries below ask for, by that rule:
//!
//! | object | points |
//! | --- | --- |
//! | `MoneyBag` | itself + two `MoneyV2` = 3 |
//! | tax line, discount allocation | itself + bag = 4 |
//! | line item | 1 + 3 bags (9) + variant + product + attributes (3) + allocations (4) + taxes (4) = 21 |
//! | shipping line | 1 + 2 bags (6) + allocations (4) + taxes (4) = 15 |
//! | refund | 1 + bag (3) + 3 x (1 + line + 3 bags = 11) + (1 + line + 2 bags = 8) + (1 + 2 bags = 7) + 3 connections with page info (9) = 61 |
//! | transaction | 1 + bag (3) + fees (4) + parent (1) = 9 |
//! | order | 1 + 10 bags (30) + address + customer (2) + taxes (4) + journey (6) + 5 line items (108) + 1 shipping line (18) + refund (61) + transaction (9) + fulfillment (2) = 241 |
//! | product | 1 + 10 metafields (13) + 20 variants of 4 (83) = 97 |
//! | customer | 1 + spent + e-mail + phone = 4 |
//!
//! So 4 orders cost 967, 10 products 973, 200 customers 803; a test recomputes these from the
//! texts. The small inner pages are no limit on what arrives: whatever says `hasNextPage` is
//! completed by [`rest`]. Four orders a call is slow for a first load, which is what
//! bulk-operation files are for; a night's changes fit it well, and the points that an answer did
//! not use come back.
//!
//! Schema: Admin API 2026-10 (read 2026-11-22).

/// The version asked for in the path; an expired one is answered by another, which is an error.
pub(crate) const VERSION: &str = "2026-10";

/// A connection at the root of the schema that can be walked by `updated_at`.
#[derive(Debug)]
pub(crate) struct Root {
    /// The root field, which is also the stream.
    pub field: &'static str,
    /// The type in its ids: `gid://shopify/Order/1`.
    pub gid: &'static str,
    /// Nodes in one call, so that the call stays under 1000 points.
    pub first: u32,
    query: &'static [&'static str],
}

/// A connection inside a node, completed by calls of its own when it has more than one page.
#[derive(Debug)]
pub(crate) struct Nested {
    /// Type of the node that holds it.
    pub parent: &'static str,
    /// Its field there.
    pub field: &'static str,
    /// The type in the ids of its nodes, which is how bulk files name them.
    pub gid: &'static str,
    /// Nodes in one completing call.
    pub first: u32,
    arguments: &'static str,
    selection: &'static str,
    fragments: &'static [&'static str],
}

pub(crate) static ORDERS: Root = Root {
    field: "orders",
    gid: "Order",
    first: 4,
    query: &[
        ORDERS_QUERY,
        LINE_ITEM,
        SHIPPING_LINE,
        REFUND_LINE,
        REFUND_SHIPPING,
        ADJUSTMENT,
        TAX,
        BAG,
    ],
};

pub(crate) static PRODUCTS: Root = Root {
    field: "products",
    gid: "Product",
    first: 10,
    query: &[PRODUCTS_QUERY, METAFIELD, VARIANT],
};

pub(crate) static CUSTOMERS: Root =
    Root { field: "customers", gid: "Customer", first: 200, query: &[CUSTOMERS_QUERY] };

/// Every root that is walked.
#[cfg(test)]
pub(crate) static ROOTS: &[&Root] = &[&ORDERS, &PRODUCTS, &CUSTOMERS];

/// Every connection that sits inside a node of these roots.
pub(crate) static NESTED: &[Nested] = &[
    Nested {
        parent: "Order",
        field: "lineItems",
        gid: "LineItem",
        first: 45,
        arguments: "",
        selection: "LineItemFields",
        fragments: &[LINE_ITEM, TAX, BAG],
    },
    Nested {
        parent: "Order",
        field: "shippingLines",
        gid: "ShippingLine",
        first: 50,
        arguments: ", includeRemovals: true",
        selection: "ShippingLineFields",
        fragments: &[SHIPPING_LINE, TAX, BAG],
    },
    Nested {
        parent: "Refund",
        field: "refundLineItems",
        gid: "RefundLineItem",
        first: 80,
        arguments: "",
        selection: "RefundLineFields",
        fragments: &[REFUND_LINE, BAG],
    },
    Nested {
        parent: "Refund",
        field: "refundShippingLines",
        gid: "RefundShippingLine",
        first: 100,
        arguments: "",
        selection: "RefundShippingFields",
        fragments: &[REFUND_SHIPPING, BAG],
    },
    Nested {
        parent: "Refund",
        field: "orderAdjustments",
        gid: "OrderAdjustment",
        first: 100,
        arguments: "",
        selection: "AdjustmentFields",
        fragments: &[ADJUSTMENT, BAG],
    },
    Nested {
        parent: "Product",
        field: "metafields",
        gid: "Metafield",
        first: 250,
        arguments: "",
        selection: "MetafieldFields",
        fragments: &[METAFIELD],
    },
    Nested {
        parent: "Product",
        field: "variants",
        gid: "ProductVariant",
        first: 200,
        arguments: "",
        selection: "VariantFields",
        fragments: &[VARIANT],
    },
];

/// The shop's own record.
pub(crate) const SHOP: &str =
    "query Shop { shop { id name myshopifyDomain currencyCode ianaTimezone } }";

impl Root {
    /// The walk: variables `first`, `after` and the search text `query`.
    pub(crate) fn text(&self) -> String {
        self.query.concat()
    }
}

/// One more page of a connection inside a node: variables `id`, `first` and `after`.
pub(crate) fn rest(nested: &Nested) -> String {
    let Nested { parent, field, arguments, selection, .. } = nested;
    let head = format!(
        "query Rest($id: ID!, $first: Int!, $after: String) {{ node(id: $id) {{ id ... on {parent} {{ \
         {field}(first: $first, after: $after{arguments}) {{ nodes {{ ...{selection} }} \
         pageInfo {{ hasNextPage endCursor }} }} }} }} }}\n"
    );
    head + &nested.fragments.concat()
}

const ORDERS_QUERY: &str = "\
query Orders($first: Int!, $after: String, $query: String!) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes {
      id legacyResourceId name createdAt processedAt updatedAt cancelledAt cancelReason closedAt
      test edited currencyCode presentmentCurrencyCode taxesIncluded dutiesIncluded
      displayFinancialStatus displayFulfillmentStatus sourceName discountCodes tags
      totalPriceSet { ...Bag }
      currentTotalPriceSet { ...Bag }
      originalTotalPriceSet { ...Bag }
      subtotalPriceSet { ...Bag }
      totalDiscountsSet { ...Bag }
      totalTaxSet { ...Bag }
      totalShippingPriceSet { ...Bag }
      totalRefundedSet { ...Bag }
      netPaymentSet { ...Bag }
      totalTipReceivedSet { ...Bag }
      shippingAddress { countryCodeV2 provinceCode zip }
      customer { id }
      taxLines { ...Tax }
      customerJourneySummary {
        ready customerOrderIndex daysToConversion
        momentsCount { count precision }
        firstVisit { ...Visit }
        lastVisit { ...Visit }
      }
      lineItems(first: 5) {
        nodes { ...LineItemFields }
        pageInfo { hasNextPage endCursor }
      }
      shippingLines(first: 1, includeRemovals: true) {
        nodes { ...ShippingLineFields }
        pageInfo { hasNextPage endCursor }
      }
      refunds {
        id legacyResourceId createdAt processedAt updatedAt note
        totalRefundedSet { ...Bag }
        refundLineItems(first: 3) {
          nodes { ...RefundLineFields }
          pageInfo { hasNextPage endCursor }
        }
        refundShippingLines(first: 1) {
          nodes { ...RefundShippingFields }
          pageInfo { hasNextPage endCursor }
        }
        orderAdjustments(first: 1) {
          nodes { ...AdjustmentFields }
          pageInfo { hasNextPage endCursor }
        }
      }
      transactions {
        id kind status gateway paymentId processedAt test
        amountSet { ...Bag }
        fees {
          amount { amount currencyCode }
          flatFee { amount currencyCode }
          rate rateName
          taxAmount { amount currencyCode }
          type
        }
        parentTransaction { id }
      }
      fulfillments {
        id status displayStatus createdAt updatedAt deliveredAt
        service { handle serviceName }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
fragment Visit on CustomerVisit {
  id occurredAt source sourceType referrerUrl landingPage referralCode
  utmParameters { source medium campaign content term }
}
";

const PRODUCTS_QUERY: &str = "\
query Products($first: Int!, $after: String, $query: String!) {
  products(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes {
      id legacyResourceId handle title status productType vendor tags
      createdAt updatedAt publishedAt
      metafields(first: 10) {
        nodes { ...MetafieldFields }
        pageInfo { hasNextPage endCursor }
      }
      variants(first: 20) {
        nodes { ...VariantFields }
        pageInfo { hasNextPage endCursor }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
";

const CUSTOMERS_QUERY: &str = "\
query Customers($first: Int!, $after: String, $query: String!) {
  customers(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes {
      id legacyResourceId createdAt updatedAt firstName lastName locale numberOfOrders
      amountSpent { amount currencyCode }
      tags verifiedEmail
      defaultEmailAddress { emailAddress marketingState marketingOptInLevel marketingUpdatedAt }
      defaultPhoneNumber { phoneNumber }
    }
    pageInfo { hasNextPage endCursor }
  }
}
";

const BAG: &str = "\
fragment Bag on MoneyBag {
  shopMoney { amount currencyCode }
  presentmentMoney { amount currencyCode }
}
";

const TAX: &str = "\
fragment Tax on TaxLine { title rate ratePercentage priceSet { ...Bag } channelLiable }
";

const LINE_ITEM: &str = "\
fragment LineItemFields on LineItem {
  id title sku quantity currentQuantity refundableQuantity vendor isGiftCard requiresShipping
  variant { id }
  product { id }
  customAttributes { key value }
  originalUnitPriceSet { ...Bag }
  originalTotalSet { ...Bag }
  discountedTotalSet { ...Bag }
  discountAllocations { allocatedAmountSet { ...Bag } }
  taxLines { ...Tax }
}
";

const SHIPPING_LINE: &str = "\
fragment ShippingLineFields on ShippingLine {
  id title code source carrierIdentifier isRemoved
  originalPriceSet { ...Bag }
  discountedPriceSet { ...Bag }
  discountAllocations { allocatedAmountSet { ...Bag } }
  taxLines { ...Tax }
}
";

const REFUND_LINE: &str = "\
fragment RefundLineFields on RefundLineItem {
  id quantity restockType
  lineItem { id }
  priceSet { ...Bag }
  subtotalSet { ...Bag }
  totalTaxSet { ...Bag }
}
";

const REFUND_SHIPPING: &str = "\
fragment RefundShippingFields on RefundShippingLine {
  id
  subtotalAmountSet { ...Bag }
  taxAmountSet { ...Bag }
  shippingLine { id }
}
";

const ADJUSTMENT: &str = "\
fragment AdjustmentFields on OrderAdjustment {
  id reason
  amountSet { ...Bag }
  taxAmountSet { ...Bag }
}
";

const METAFIELD: &str = "\
fragment MetafieldFields on Metafield { id namespace key type value updatedAt }
";

const VARIANT: &str = "\
fragment VariantFields on ProductVariant {
  id legacyResourceId sku title price compareAtPrice
  selectedOptions { name value }
  inventoryItem { id unitCost { amount currencyCode } }
  updatedAt
}
";
