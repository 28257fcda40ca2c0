//! The declared shape of what is read from Printful: names as Printful spells them.
//!
//! Amounts are decimal text; `costs` holds nulls while Printful still calculates.

use crate::{
    kit::record::{Field, Kind, Record},
    source::Stream,
};

/// Every stream of a store.
pub(crate) static ALL: &[Stream] = &[
    Stream { name: "orders", key: &["id"], record: &ORDER, context: &[] },
    Stream { name: "store_products", key: &["id"], record: &STORE_PRODUCT, context: &[] },
    Stream { name: "catalog_products", key: &["id"], record: &CATALOG_PRODUCT, context: &[] },
];

static ORDER: Record = Record {
    fields: &[
        Field::new("id", Kind::Id).required(),
        Field::new("external_id", Kind::Text),
        Field::new("store", Kind::Integer),
        Field::new("status", Kind::Text),
        Field::new("shipping", Kind::Text),
        Field::new("shipping_service_name", Kind::Text),
        Field::new("created", Kind::EpochSeconds),
        Field::new("updated", Kind::EpochSeconds),
        Field::new("recipient", Kind::Struct(&RECIPIENT)),
        Field::new("items", Kind::List(&Kind::Struct(&ITEM))),
        Field::new("branding_items", Kind::Json),
        Field::new("incomplete_items", Kind::Json),
        Field::new("costs", Kind::Struct(&COSTS)),
        Field::new("retail_costs", Kind::Struct(&RETAIL_COSTS)),
        Field::new("pricing_breakdown", Kind::Json),
        Field::new("shipments", Kind::List(&Kind::Struct(&SHIPMENT))),
        // What somebody wrote to somebody else.
        Field::new("gift", Kind::Ignored),
        Field::new("packing_slip", Kind::Ignored),
    ],
};

static RECIPIENT: Record = Record {
    fields: &[
        Field::new("country_code", Kind::Text),
        Field::new("country_name", Kind::Text),
        Field::new("state_code", Kind::Text),
        Field::new("state_name", Kind::Text),
        Field::new("zip", Kind::Text).pii(),
        Field::new("name", Kind::Text).pii(),
        Field::new("email", Kind::Text).pii(),
        Field::new("phone", Kind::Text).pii(),
        Field::new("company", Kind::Text).pii(),
        Field::new("address1", Kind::Text).pii(),
        Field::new("address2", Kind::Text).pii(),
        Field::new("city", Kind::Text).pii(),
        Field::new("tax_number", Kind::Text).pii(),
    ],
};

static ITEM: Record = Record {
    fields: &[
        Field::new("id", Kind::Id),
        Field::new("external_id", Kind::Text),
        Field::new("variant_id", Kind::Id),
        Field::new("sync_variant_id", Kind::Id),
        Field::new("external_variant_id", Kind::Text),
        Field::new("external_product_id", Kind::Text),
        Field::new("product_template_id", Kind::Id),
        Field::new("warehouse_product_variant_id", Kind::Id),
        Field::new("quantity", Kind::Integer),
        Field::new("price", Kind::Decimal),
        Field::new("retail_price", Kind::Decimal),
        Field::new("name", Kind::Text),
        Field::new("sku", Kind::Text),
        Field::new("product", Kind::Struct(&PRODUCT)),
        Field::new("discontinued", Kind::Boolean),
        Field::new("out_of_stock", Kind::Boolean),
        Field::new("files", Kind::Json),
        Field::new("options", Kind::Json),
    ],
};

/// The catalog's product behind an item or a store's variant.
static PRODUCT: Record = Record {
    fields: &[
        Field::new("variant_id", Kind::Id),
        Field::new("product_id", Kind::Id),
        Field::new("image", Kind::Text),
        Field::new("name", Kind::Text),
    ],
};

static COSTS: Record = Record {
    fields: &[
        Field::new("currency", Kind::Text),
        Field::new("subtotal", Kind::Decimal),
        Field::new("discount", Kind::Decimal),
        Field::new("shipping", Kind::Decimal),
        Field::new("digitization", Kind::Decimal),
        Field::new("additional_fee", Kind::Decimal),
        Field::new("fulfillment_fee", Kind::Decimal),
        Field::new("retail_delivery_fee", Kind::Decimal),
        Field::new("tax", Kind::Decimal),
        Field::new("vat", Kind::Decimal),
        Field::new("total", Kind::Decimal),
    ],
};

static RETAIL_COSTS: Record = Record {
    fields: &[
        Field::new("currency", Kind::Text),
        Field::new("subtotal", Kind::Decimal),
        Field::new("discount", Kind::Decimal),
        Field::new("shipping", Kind::Decimal),
        Field::new("tax", Kind::Decimal),
        Field::new("vat", Kind::Decimal),
        Field::new("total", Kind::Decimal),
    ],
};

static SHIPMENT: Record = Record {
    fields: &[
        Field::new("id", Kind::Id),
        Field::new("carrier", Kind::Text),
        Field::new("service", Kind::Text),
        Field::new("tracking_number", Kind::Text),
        Field::new("tracking_url", Kind::Text),
        Field::new("created", Kind::EpochSeconds),
        Field::new("ship_date", Kind::Date),
        Field::new("shipped_at", Kind::EpochSeconds),
        Field::new("reshipment", Kind::Boolean),
        Field::new("items", Kind::List(&Kind::Struct(&SHIPMENT_ITEM))),
    ],
};

static SHIPMENT_ITEM: Record = Record {
    fields: &[
        Field::new("item_id", Kind::Id),
        Field::new("quantity", Kind::Integer),
        Field::new("picked", Kind::Integer),
        Field::new("printed", Kind::Integer),
    ],
};

static STORE_PRODUCT: Record = Record {
    fields: &[
        Field::new("id", Kind::Id).required(),
        Field::new("external_id", Kind::Text),
        Field::new("name", Kind::Text),
        Field::new("variants", Kind::Integer),
        Field::new("synced", Kind::Integer),
        Field::new("is_ignored", Kind::Boolean),
        Field::new("thumbnail", Kind::Text),
        Field::new("thumbnail_url", Kind::Text),
        Field::new("sync_variants", Kind::List(&Kind::Struct(&SYNC_VARIANT))),
    ],
};

static SYNC_VARIANT: Record = Record {
    fields: &[
        Field::new("id", Kind::Id),
        Field::new("external_id", Kind::Text),
        Field::new("sync_product_id", Kind::Id),
        Field::new("name", Kind::Text),
        Field::new("synced", Kind::Boolean),
        Field::new("variant_id", Kind::Id),
        Field::new("retail_price", Kind::Decimal),
        Field::new("currency", Kind::Text),
        Field::new("sku", Kind::Text),
        Field::new("is_ignored", Kind::Boolean),
        Field::new("availability_status", Kind::Text),
        Field::new("size", Kind::Text),
        Field::new("color", Kind::Text),
        Field::new("main_category_id", Kind::Id),
        Field::new("warehouse_product_variant_id", Kind::Id),
        Field::new("product", Kind::Struct(&PRODUCT)),
        Field::new("files", Kind::Json),
        Field::new("options", Kind::Json),
    ],
};

static CATALOG_PRODUCT: Record = Record {
    fields: &[
        Field::new("id", Kind::Id).required(),
        Field::new("type", Kind::Text),
        Field::new("type_name", Kind::Text),
        Field::new("title", Kind::Text),
        Field::new("brand", Kind::Text),
        Field::new("model", Kind::Text),
        Field::new("description", Kind::Text),
        Field::new("image", Kind::Text),
        Field::new("main_category_id", Kind::Id),
        Field::new("origin_country", Kind::Text),
        Field::new("is_discontinued", Kind::Boolean),
        // Days, a float: no model reads it and no money hangs on it.
        Field::new("avg_fulfillment_time", Kind::Json),
        Field::new("variant_count", Kind::Integer),
        Field::new("files", Kind::Json),
        Field::new("options", Kind::Json),
        Field::new("techniques", Kind::Json),
        Field::new("currency", Kind::Text),
        Field::new("variants", Kind::List(&Kind::Struct(&CATALOG_VARIANT))),
    ],
};

static CATALOG_VARIANT: Record = Record {
    fields: &[
        Field::new("id", Kind::Id),
        Field::new("product_id", Kind::Id),
        Field::new("name", Kind::Text),
        Field::new("size", Kind::Text),
        Field::new("color", Kind::Text),
        Field::new("price", Kind::Decimal),
        Field::new("in_stock", Kind::Boolean),
        Field::new("color_code", Kind::Text),
        Field::new("color_code2", Kind::Text),
        Field::new("image", Kind::Text),
        Field::new("availability_regions", Kind::Json),
        Field::new("availability_status", Kind::Json),
        Field::new("material", Kind::Json),
    ],
};
