//! The declared shape of what is read from Printify: names as Printify spells them.
//!
//! Amounts are integer cents without a currency; `1970-01-01 00:00:00+00:00` stands for "never"
//! in `shop_fulfilled_at` and is kept as it came: staging turns it into null.

use crate::{
    kit::record::{Field, Kind, Record},
    source::Stream,
};

/// Every stream of an account.
pub(crate) static ALL: &[Stream] = &[
    Stream { name: "shops", key: &["id"], record: &SHOP, context: &[] },
    Stream { name: "orders", key: &["shop_id", "id"], record: &ORDER, context: SHOP_ID },
    Stream { name: "products", key: &["shop_id", "id"], record: &PRODUCT, context: SHOP_ID },
    Stream {
        name: "shipping_profiles",
        key: &["blueprint_id", "print_provider_id"],
        record: &SHIPPING_PROFILES,
        context: PAIR,
    },
];

/// Whose order or product it is: not part of Printify's record.
static SHOP_ID: &[Field] = &[Field::new("shop_id", Kind::Id).required()];

/// What the shipping profiles are of: not part of Printify's record.
static PAIR: &[Field] = &[
    Field::new("blueprint_id", Kind::Id).required(),
    Field::new("print_provider_id", Kind::Id).required(),
];

static SHOP: Record = Record {
    fields: &[
        Field::new("id", Kind::Id).required(),
        Field::new("title", Kind::Text),
        Field::new("sales_channel", Kind::Text),
    ],
};

static ORDER: Record = Record {
    fields: &[
        Field::new("id", Kind::Text).required(),
        Field::new("app_order_id", Kind::Text),
        Field::new("status", Kind::Text),
        Field::new("shipping_method", Kind::Integer),
        Field::new("is_printify_express", Kind::Boolean),
        Field::new("is_economy_shipping", Kind::Boolean),
        Field::new("total_price", Kind::Integer),
        Field::new("total_shipping", Kind::Integer),
        Field::new("total_tax", Kind::Integer),
        Field::new("address_to", Kind::Struct(&ADDRESS)),
        Field::new("metadata", Kind::Struct(&ORDER_METADATA)),
        Field::new("line_items", Kind::List(&Kind::Struct(&LINE_ITEM))),
        Field::new("shipments", Kind::List(&Kind::Struct(&SHIPMENT))),
        Field::new("printify_connect", Kind::Struct(&CONNECT)),
        Field::new("created_at", Kind::Timestamp),
        Field::new("sent_to_production_at", Kind::Timestamp),
        Field::new("fulfilled_at", Kind::Timestamp),
    ],
};

static ADDRESS: Record = Record {
    fields: &[
        Field::new("country", Kind::Text),
        Field::new("region", Kind::Text),
        Field::new("zip", Kind::Text).pii(),
        Field::new("city", Kind::Text).pii(),
        Field::new("email", Kind::Text).pii(),
        Field::new("first_name", Kind::Text).pii(),
        Field::new("last_name", Kind::Text).pii(),
        Field::new("phone", Kind::Text).pii(),
        Field::new("address1", Kind::Text).pii(),
        Field::new("address2", Kind::Text).pii(),
    ],
};

static ORDER_METADATA: Record = Record {
    fields: &[
        Field::new("order_type", Kind::Text),
        Field::new("shop_order_id", Kind::Id),
        Field::new("shop_order_label", Kind::Text),
        Field::new("shop_fulfilled_at", Kind::Timestamp),
        Field::new("is_reprint", Kind::Boolean),
        Field::new("reprinted_order_ids", Kind::List(&Kind::Id)),
        Field::new("child_reprinted_order_ids", Kind::List(&Kind::Id)),
    ],
};

static LINE_ITEM: Record = Record {
    fields: &[
        Field::new("product_id", Kind::Text),
        Field::new("variant_id", Kind::Id),
        Field::new("print_provider_id", Kind::Id),
        Field::new("external_id", Kind::Id),
        Field::new("quantity", Kind::Integer),
        Field::new("cost", Kind::Integer),
        Field::new("shipping_cost", Kind::Integer),
        Field::new("status", Kind::Text),
        Field::new("metadata", Kind::Struct(&LINE_METADATA)),
        Field::new("sent_to_production_at", Kind::Timestamp),
        Field::new("fulfilled_at", Kind::Timestamp),
    ],
};

static LINE_METADATA: Record = Record {
    fields: &[
        Field::new("title", Kind::Text),
        Field::new("price", Kind::Integer),
        Field::new("variant_label", Kind::Text),
        Field::new("sku", Kind::Text),
        Field::new("country", Kind::Text),
        Field::new("external_id", Kind::Id),
    ],
};

static SHIPMENT: Record = Record {
    fields: &[
        Field::new("carrier", Kind::Text),
        Field::new("number", Kind::Text),
        Field::new("url", Kind::Text),
        Field::new("delivered_at", Kind::Timestamp),
    ],
};

static CONNECT: Record =
    Record { fields: &[Field::new("url", Kind::Text), Field::new("id", Kind::Text)] };

static PRODUCT: Record = Record {
    fields: &[
        Field::new("id", Kind::Text).required(),
        Field::new("title", Kind::Text),
        Field::new("description", Kind::Text),
        Field::new("tags", Kind::List(&Kind::Text)),
        Field::new("blueprint_id", Kind::Id),
        Field::new("print_provider_id", Kind::Id),
        Field::new("visible", Kind::Boolean),
        Field::new("is_locked", Kind::Boolean),
        Field::new("created_at", Kind::Timestamp),
        Field::new("updated_at", Kind::Timestamp),
        Field::new("variants", Kind::List(&Kind::Struct(&VARIANT))),
        Field::new("user_id", Kind::Id),
        // The same as the column that tells whose product it is.
        Field::new("shop_id", Kind::Ignored),
    ],
};

static VARIANT: Record = Record {
    fields: &[
        Field::new("id", Kind::Id),
        Field::new("sku", Kind::Text),
        Field::new("cost", Kind::Integer),
        Field::new("price", Kind::Integer),
        Field::new("title", Kind::Text),
        Field::new("grams", Kind::Integer),
        Field::new("is_enabled", Kind::Boolean),
        Field::new("is_default", Kind::Boolean),
        Field::new("is_available", Kind::Boolean),
        Field::new("options", Kind::List(&Kind::Integer)),
    ],
};

static SHIPPING_PROFILES: Record = Record {
    fields: &[
        Field::new("handling_time", Kind::Struct(&HANDLING_TIME)),
        Field::new("profiles", Kind::List(&Kind::Struct(&PROFILE))),
    ],
};

static HANDLING_TIME: Record =
    Record { fields: &[Field::new("value", Kind::Integer), Field::new("unit", Kind::Text)] };

static PROFILE: Record = Record {
    fields: &[
        Field::new("variant_ids", Kind::List(&Kind::Id)),
        Field::new("first_item", Kind::Struct(&COST)),
        Field::new("additional_items", Kind::Struct(&COST)),
        Field::new("countries", Kind::List(&Kind::Text)),
    ],
};

static COST: Record =
    Record { fields: &[Field::new("cost", Kind::Integer), Field::new("currency", Kind::Text)] };
