//! Printful v1: decimal strings with two digits, epoch seconds, `{code, result, paging}` envelopes.
//!
//! Orders come newest first by offset, a hundred a page at most, without any filter by time. An
//! account's token has to name the store in `X-PF-Store-Id`. 120 calls a minute; a breach locks
//! the token out for 60 seconds.

use crate::world::{
    PRINTFUL_STORE_ID, World,
    catalog::{PrintfulCatalogProduct, PrintfulStoreProduct},
    supply::{PrintfulItem, PrintfulOrder, PrintfulShipment},
};

use super::{
    json::{self, Object},
    limits::Windows,
    request::{Answer, Call, Vendor},
};

const TOKEN: &str = "pf_sandbox";

/// Printful's side of the server.
#[derive(Debug)]
pub(crate) struct Printful {
    limit: Windows,
}

impl Default for Printful {
    fn default() -> Self {
        Self { limit: Windows::new(&[(60, 120)]) }
    }
}

/// Rows asked for.
#[derive(Debug, Clone, Copy)]
struct Slice {
    offset: usize,
    limit: usize,
}

impl Vendor for Printful {
    fn answer(&self, world: &World, lifted: bool, call: &Call<'_>) -> Answer {
        if call.authorization("bearer") != Some(TOKEN) {
            return failure(401, "Unauthorized", "The access token provided is invalid.");
        }
        if !lifted && self.limit.enter().is_err() {
            return too_many();
        }
        if call.method != "GET" {
            return failure(405, "MethodNotAllowed", "The sandbox only reads.");
        }
        let parts = call.parts();
        if !matches!(parts.as_slice(), ["products", ..]) {
            match call.header("x-pf-store-id").map(|id| id.trim().parse::<u32>()) {
                Some(Ok(PRINTFUL_STORE_ID)) => {}
                None => return failure(400, "BadRequest", "This endpoint requires `store_id`!"),
                Some(_) => {
                    return failure(403, "Forbidden", "You do not have access to this store.");
                }
            }
        }
        let slice = match slice(call) {
            Ok(slice) => slice,
            Err(refusal) => return refusal,
        };
        match parts.as_slice() {
            ["orders"] => orders(world, call, slice),
            ["orders", id] => {
                let found = match id.strip_prefix('@') {
                    Some(external) => by_external_id(world, external),
                    None => id.parse().ok().and_then(|id| world.printful_order(id)),
                };
                one(found, |out, found| order(out, &found))
            }
            ["store", "products"] => {
                let all = world.printful_store_products();
                let rows = all.iter().skip(slice.offset).take(slice.limit);
                Answer::new(200, many(slice, all.len(), rows, sync_product))
            }
            ["store", "products", id] => {
                let all = world.printful_store_products();
                let found = match id.strip_prefix('@') {
                    Some(external) => {
                        all.iter().find(|one| one.external_id.to_string() == external)
                    }
                    None => all.iter().find(|one| one.id.to_string() == *id),
                };
                one(found, sync_product_info)
            }
            ["products"] => {
                let all = world.printful_catalog_products();
                let mut out = String::from("{\"code\":200,\"result\":");
                json::list(&mut out, all, catalog_product);
                out.push('}');
                Answer::new(200, out)
            }
            ["products", id] => {
                let all = world.printful_catalog_products();
                let found = all.iter().find(|one| one.id.to_string() == *id);
                one(found, |out, found| {
                    let mut o = Object::new(out);
                    catalog_product(o.key("product"), found);
                    o.list("variants", &found.variants, |out, variant| {
                        let mut o = Object::new(out);
                        o.int("id", variant.id)
                            .int("product_id", found.id)
                            .text("name", &variant.name);
                        o.text("size", variant.size)
                            .text("color", variant.color)
                            .text("color_code", "#14191e");
                        o.text("image", &image(variant.id))
                            .cents("price", variant.price)
                            .flag("in_stock", true);
                        o.object("availability_regions", |o| {
                            o.text("US", "USA").text("EU", "Europe");
                        });
                    });
                })
            }
            _ => not_found(),
        }
    }

    fn too_many(&self) -> Answer {
        too_many()
    }

    fn broken(&self) -> &'static str {
        r#"{"code":500,"result":"Internal Server Error","error":{"reason":"InternalServerError","message":"Internal Server Error"}}"#
    }
}

fn slice(call: &Call<'_>) -> Result<Slice, Answer> {
    let number = |name: &str, usual: usize| {
        let value = call.number(name).map_err(|_| ()).and_then(|value| {
            value.map_or(Ok(usual), |value| usize::try_from(value).map_err(|_| ()))
        });
        value.map_err(|()| {
            failure(400, "BadRequest", &format!("{name} must be a non-negative integer."))
        })
    };
    let slice = Slice { offset: number("offset", 0)?, limit: number("limit", 20)? };
    if !(1..=100).contains(&slice.limit) {
        return Err(failure(400, "BadRequest", "limit must be between 1 and 100."));
    }
    Ok(slice)
}

fn orders(world: &World, call: &Call<'_>, slice: Slice) -> Answer {
    let Some(status) = call.parameter("status") else {
        let rows = world.printful_orders(slice.offset, slice.limit);
        return Answer::new(200, many(slice, world.printful_order_count(), rows.iter(), order));
    };
    let mut rows = Vec::new();
    let mut total = 0;
    for start in (0..world.printful_order_count()).step_by(500) {
        for found in
            world.printful_orders(start, 500).into_iter().filter(|one| one.status == status)
        {
            if total >= slice.offset && rows.len() < slice.limit {
                rows.push(found);
            }
            total += 1;
        }
    }
    Answer::new(200, many(slice, total, rows.iter(), order))
}

fn by_external_id(world: &World, external: &str) -> Option<PrintfulOrder> {
    if let Some(i) = external.parse().ok().and_then(|id| world.order_index(id)) {
        return world.printful_order_of(i);
    }
    let mut house = world
        .house_orders(true)
        .filter_map(|house| world.printful_order_of(crate::world::vendors::HOUSE | house.number));
    house.find(|order| order.external_id.as_deref() == Some(external))
}

fn many<T>(
    slice: Slice,
    total: usize,
    rows: impl Iterator<Item = T>,
    write: impl FnMut(&mut String, T),
) -> String {
    json::object(|o| {
        o.int("code", 200).list("result", rows, write).object("paging", |o| {
            o.int("total", total).int("offset", slice.offset).int("limit", slice.limit);
        });
    })
}

fn one<T>(found: Option<T>, write: impl FnOnce(&mut String, T)) -> Answer {
    found.map_or_else(not_found, |found| {
        let mut out = String::from("{\"code\":200,\"result\":");
        write(&mut out, found);
        out.push('}');
        Answer::new(200, out)
    })
}

fn order(out: &mut String, order: &PrintfulOrder) {
    let mut o = Object::new(out);
    o.int("id", order.id)
        .maybe("external_id", order.external_id.as_deref())
        .int("store", PRINTFUL_STORE_ID);
    o.text("status", order.status).text("shipping", "STANDARD");
    o.text("shipping_service_name", "Flat Rate (3-4 business days after fulfillment)");
    o.int("created", order.created_at).int("updated", order.updated_at);
    o.object("recipient", |o| {
        let to = &order.recipient;
        o.text("name", &format!("{} {}", to.first_name, to.last_name)).null("company");
        o.text("address1", &to.address1).null("address2").text("city", &to.city);
        o.maybe("state_code", Some(to.region.as_str()).filter(|code| !code.is_empty()));
        o.text("country_code", &to.country).text("zip", &to.zip);
        o.maybe("phone", to.phone.as_deref()).text("email", &to.email);
    });
    o.list("items", &order.items, item).list("branding_items", [(); 0], |_, ()| ());
    o.list("incomplete_items", [(); 0], |_, ()| ());
    o.object("costs", |o| {
        o.text("currency", "USD")
            .cents("subtotal", order.subtotal)
            .cents("discount", order.discount);
        o.cents("shipping", order.shipping).cents("digitization", order.fees.digitization);
        o.cents("additional_fee", order.fees.additional)
            .cents("fulfillment_fee", order.fees.fulfillment);
        o.cents("retail_delivery_fee", order.fees.retail_delivery);
        o.cents("tax", order.tax).cents("vat", order.vat).cents("total", order.total);
    });
    o.object("retail_costs", |o| {
        let retail = &order.retail;
        o.text("currency", "USD")
            .cents("subtotal", retail.subtotal)
            .cents("discount", retail.discount);
        o.cents("shipping", retail.shipping)
            .cents("tax", retail.tax)
            .null("vat")
            .cents("total", retail.total);
    });
    o.list("pricing_breakdown", [order], |out, order| {
        let mut o = Object::new(out);
        o.cents("customer_pays", order.retail.total).cents("printful_price", order.total);
        o.cents("profit", order.retail.total - order.total).text("currency_symbol", "USD");
    });
    o.list("shipments", &order.shipments, shipment);
}

fn item(out: &mut String, item: &PrintfulItem) {
    let mut o = Object::new(out);
    let external = item.external_id.map(|id| id.to_string());
    o.int("id", item.id)
        .maybe("external_id", external.as_deref())
        .int("variant_id", item.variant_id);
    o.int("sync_variant_id", item.sync_variant_id);
    o.text("external_variant_id", &item.external_variant_id.to_string());
    o.int("quantity", item.quantity)
        .cents("price", item.price)
        .cents("retail_price", item.retail_price);
    o.text("name", &item.name).text("sku", &item.sku).object("product", |o| {
        o.int("variant_id", item.variant_id).int("product_id", item.catalog_product_id);
        o.text("image", &image(item.variant_id)).text("name", &item.catalog_name);
    });
    o.list("files", [(); 0], |_, ()| ()).list("options", [(); 0], |_, ()| ());
    o.flag("discontinued", false).flag("out_of_stock", false);
}

fn shipment(out: &mut String, parcel: &PrintfulShipment) {
    let mut o = Object::new(out);
    let date = json::iso(parcel.shipped_at);
    o.int("id", parcel.id).text("carrier", parcel.carrier).text("service", parcel.service);
    o.text("tracking_number", &parcel.tracking_number);
    o.text("tracking_url", &format!("https://parcels.example.com/{}", parcel.tracking_number));
    o.int("created", parcel.shipped_at).text("ship_date", date.get(..10).unwrap_or(""));
    o.int("shipped_at", parcel.shipped_at).flag("reshipment", parcel.is_reshipment);
    o.list("items", &parcel.items, |out, (id, quantity)| {
        Object::new(out)
            .int("item_id", id)
            .int("quantity", quantity)
            .int("picked", 1)
            .int("printed", 1);
    });
}

fn sync_product(out: &mut String, product: &PrintfulStoreProduct) {
    let count = product.variants.len();
    let mut o = Object::new(out);
    o.int("id", product.id)
        .text("external_id", &product.external_id.to_string())
        .text("name", &product.name);
    o.int("variants", count).int("synced", count);
    o.text("thumbnail_url", &format!("https://images.example.com/store/{}.png", product.id));
    o.flag("is_ignored", false);
}

fn sync_product_info(out: &mut String, product: &PrintfulStoreProduct) {
    let mut o = Object::new(out);
    sync_product(o.key("sync_product"), product);
    o.list("sync_variants", &product.variants, |out, variant| {
        let mut o = Object::new(out);
        o.int("id", variant.id).text("external_id", &variant.external_id.to_string());
        o.int("sync_product_id", product.id).text("name", &variant.name).flag("synced", true);
        o.int("variant_id", variant.variant_id).cents("retail_price", variant.retail_price);
        o.text("currency", "USD").text("sku", &variant.sku).flag("is_ignored", false);
        o.object("product", |o| {
            o.int("variant_id", variant.variant_id).int("product_id", variant.catalog_product_id);
            o.text("image", &image(variant.variant_id)).text("name", &variant.catalog_name);
        });
        o.list("files", [(); 0], |_, ()| ()).list("options", [(); 0], |_, ()| ());
        o.text("availability_status", "active");
    });
}

fn catalog_product(out: &mut String, product: &PrintfulCatalogProduct) {
    let mut o = Object::new(out);
    o.int("id", product.id)
        .int("main_category_id", 24)
        .text("type", product.kind)
        .text("type_name", product.type_name);
    o.text("title", product.title).text("brand", product.brand).text("model", product.model);
    o.text("image", &image(product.id))
        .int("variant_count", product.variants.len())
        .text("currency", "USD");
    o.flag("is_discontinued", false).text("description", product.title);
    for empty in ["files", "options", "techniques"] {
        o.list(empty, [(); 0], |_, ()| ());
    }
    o.null("origin_country");
}

fn image(id: u32) -> String {
    format!("https://images.example.com/products/{id}.jpg")
}

fn failure(status: u16, reason: &str, message: &str) -> Answer {
    let body = json::object(|o| {
        o.int("code", status).text("result", message).object("error", |o| {
            o.text("reason", reason).text("message", message);
        });
    });
    Answer::new(status, body)
}

fn not_found() -> Answer {
    failure(404, "NotFound", "Not Found")
}

/// Printful's 429: the minute has to pass.
fn too_many() -> Answer {
    failure(
        429,
        "TooManyRequests",
        "You've recently sent too many requests. Please try again after 60 seconds.",
    )
}
