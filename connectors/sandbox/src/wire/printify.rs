//! Printify REST v1: integer cents, no currency on orders, times as `YYYY-MM-DD HH:MM:SS+00:00`.
//!
//! Orders come newest first, ten a page at most, without any filter by time. 600 calls a minute for
//! the account; a breach is a 429 that names no wait. A call without a `User-Agent` is refused.

use crate::world::{
    PRINTIFY_SHOP_ID, SHOP_NAME, World,
    catalog::{PrintifyProduct, ShippingProfiles},
    supply::{PrintifyLine, PrintifyOrder},
};

use super::{
    json::{self, Object, spaced},
    limits::Windows,
    request::{Answer, Call, Vendor},
};

const TOKEN: &str = "pat_sandbox";
/// What Printify writes where a time is not known yet.
const NEVER: &str = "1970-01-01 00:00:00+00:00";

/// Printify's side of the server.
#[derive(Debug)]
pub(crate) struct Printify {
    limit: Windows,
}

impl Default for Printify {
    fn default() -> Self {
        Self { limit: Windows::new(&[(60, 600)]) }
    }
}

/// A page asked for.
#[derive(Debug, Clone, Copy)]
struct Page {
    number: usize,
    size: usize,
}

impl Vendor for Printify {
    fn answer(&self, world: &World, lifted: bool, call: &Call<'_>) -> Answer {
        if call.authorization("bearer") != Some(TOKEN) {
            let body = json::object(|o| {
                o.text("error", "Unauthenticated")
                    .text("request_id", "5eedf00d-0000-4000-8000-000000000401");
            });
            return Answer::new(401, body);
        }
        if call.header("user-agent").is_none_or(str::is_empty) {
            return failure(403, 8100, "Forbidden.", "The User-Agent header is missing.");
        }
        if !lifted && self.limit.enter().is_err() {
            return too_many();
        }
        if call.method != "GET" {
            return failure(405, 8101, "Method not allowed.", "The sandbox only reads.");
        }
        let parts = call.parts();
        let ["v1", rest @ ..] = parts.as_slice() else { return not_found() };
        match rest {
            ["shops.json"] => Answer::new(200, shops()),
            ["shops", shop, rest @ ..] => {
                if shop.parse() != Ok(PRINTIFY_SHOP_ID) {
                    return not_found();
                }
                of_shop(world, call, rest)
            }
            ["catalog", "blueprints", blueprint, "print_providers", provider, "shipping.json"] => {
                let ids = blueprint.parse().ok().zip(provider.parse().ok());
                let found = ids
                    .and_then(|(blueprint, provider)| world.printify_shipping(blueprint, provider));
                found.map_or_else(not_found, |found| Answer::new(200, shipping(found)))
            }
            _ => not_found(),
        }
    }

    fn too_many(&self) -> Answer {
        too_many()
    }

    fn broken(&self) -> &'static str {
        r#"{"status":"error","code":10000,"message":"Server Error","errors":{"reason":"Server Error","code":10000}}"#
    }
}

fn of_shop(world: &World, call: &Call<'_>, rest: &[&str]) -> Answer {
    match rest {
        ["orders.json"] => match page(call, 10) {
            Ok(page) => orders(world, call, page),
            Err(refusal) => refusal,
        },
        ["orders", file] => {
            let found = file.strip_suffix(".json").and_then(|id| world.printify_order(id));
            found.map_or_else(not_found, |found| {
                let mut out = String::with_capacity(2_048);
                order(&mut out, &found);
                Answer::new(200, out)
            })
        }
        ["products.json"] => match page(call, 50) {
            Ok(page) => {
                let all = world.printify_products();
                let rows = all.iter().skip((page.number - 1) * page.size).take(page.size);
                Answer::new(
                    200,
                    envelope(page, all.len(), rows, |out, row| product(out, world, row)),
                )
            }
            Err(refusal) => refusal,
        },
        ["products", file] => {
            let id = file.strip_suffix(".json").unwrap_or("");
            let found = world.printify_products().iter().find(|one| one.id == id);
            found.map_or_else(not_found, |found| {
                let mut out = String::with_capacity(4_096);
                product(&mut out, world, found);
                Answer::new(200, out)
            })
        }
        _ => not_found(),
    }
}

fn page(call: &Call<'_>, most: usize) -> Result<Page, Answer> {
    let size = |value: Option<u64>| value.map_or(Ok(most.min(10)), usize::try_from);
    let size = call.number("limit").ok().and_then(|value| size(value).ok());
    let Some(size) = size.filter(|size| (1..=most).contains(size)) else {
        let reason = format!("limit: The limit may not be greater than {most}.");
        return Err(failure(400, 8150, "Validation failed.", &reason));
    };
    let number =
        call.number("page").ok().and_then(|value| usize::try_from(value.unwrap_or(1)).ok());
    match number.filter(|number| *number > 0) {
        Some(number) => Ok(Page { number, size }),
        None => Err(failure(400, 8150, "Validation failed.", "page: The page must be at least 1.")),
    }
}

fn orders(world: &World, call: &Call<'_>, page: Page) -> Answer {
    let skip = (page.number - 1) * page.size;
    let (status, sku) = (call.parameter("status"), call.parameter("sku"));
    if status.is_none() && sku.is_none() {
        let rows = world.printify_orders(skip, page.size);
        return Answer::new(200, envelope(page, world.printify_order_count(), rows.iter(), order));
    }
    // A filtered list has to be looked through from its start, as Printify does.
    let fits = |order: &PrintifyOrder| {
        status.is_none_or(|status| order.status == status)
            && sku.is_none_or(|sku| order.lines.iter().any(|line| line.sku == sku))
    };
    let mut rows = Vec::new();
    let mut total = 0;
    for start in (0..world.printify_order_count()).step_by(500) {
        for order in world.printify_orders(start, 500).into_iter().filter(|order| fits(order)) {
            if total >= skip && rows.len() < page.size {
                rows.push(order);
            }
            total += 1;
        }
    }
    Answer::new(200, envelope(page, total, rows.iter(), order))
}

/// Laravel's paging envelope.
fn envelope<T>(
    page: Page,
    total: usize,
    rows: impl Iterator<Item = T>,
    write: impl FnMut(&mut String, T),
) -> String {
    let Page { number, size } = page;
    let last = total.div_ceil(size).max(1);
    let link = |number: usize| format!("/?page={number}");
    let first_row = (number - 1) * size + 1;
    json::object(|o| {
        o.int("current_page", number).list("data", rows, write).text("first_page_url", &link(1));
        if first_row <= total {
            o.int("from", first_row);
        } else {
            o.null("from");
        }
        o.int("last_page", last).text("last_page_url", &link(last));
        o.maybe("next_page_url", (number < last).then(|| link(number + 1)).as_deref());
        o.text("path", "/").int("per_page", size);
        o.maybe("prev_page_url", (number > 1).then(|| link(number - 1)).as_deref());
        if first_row <= total {
            o.int("to", (number * size).min(total));
        } else {
            o.null("to");
        }
        o.int("total", total);
    })
}

fn shops() -> String {
    let mut out = String::new();
    json::list(&mut out, [PRINTIFY_SHOP_ID], |out, id| {
        Object::new(out).int("id", id).text("title", SHOP_NAME).text("sales_channel", "shopify");
    });
    out
}

fn order(out: &mut String, order: &PrintifyOrder) {
    let mut o = Object::new(out);
    o.text("id", &order.id).text("app_order_id", &order.app_order_id);
    o.object("address_to", |o| {
        let to = &order.recipient;
        o.text("first_name", &to.first_name)
            .text("last_name", &to.last_name)
            .text("region", &to.region);
        o.text("address1", &to.address1)
            .text("address2", "")
            .text("city", &to.city)
            .text("zip", &to.zip);
        o.text("email", &to.email).maybe("phone", to.phone.as_deref()).text("country", &to.country);
    });
    o.list("line_items", &order.lines, line);
    o.object("metadata", |o| {
        o.text("order_type", order.order_type);
        if let Some(id) = order.shop_order_id {
            if order.shop_order_id_is_text {
                o.text("shop_order_id", &id.to_string());
            } else {
                o.int("shop_order_id", id);
            }
        }
        if let Some(label) = &order.shop_order_label {
            o.text("shop_order_label", label);
        }
        o.text(
            "shop_fulfilled_at",
            &order.shop_fulfilled_at.map_or_else(|| NEVER.to_owned(), spaced),
        );
        if order.is_reprint {
            o.flag("is_reprint", true);
            o.list("reprinted_order_ids", &order.reprinted_order_ids, |out, id| {
                json::text(out, id);
            });
        }
        if !order.child_reprinted_order_ids.is_empty() {
            o.list("child_reprinted_order_ids", &order.child_reprinted_order_ids, |out, id| {
                json::text(out, id);
            });
        }
    });
    o.int("total_price", order.total_price).int("total_shipping", order.total_shipping);
    o.int("total_tax", order.total_tax).text("status", order.status);
    o.int("shipping_method", order.shipping_method);
    o.flag("is_printify_express", order.is_express).flag("is_economy_shipping", order.is_economy);
    o.list("shipments", &order.shipments, |out, parcel| {
        let mut o = Object::new(out);
        o.text("carrier", parcel.carrier).text("number", &parcel.number);
        o.text("url", &format!("https://parcels.example.com/{}", parcel.number));
        o.maybe("delivered_at", parcel.delivered_at.map(spaced).as_deref());
    });
    o.text("created_at", &spaced(order.created_at));
    if let Some(at) = order.sent_to_production_at {
        o.text("sent_to_production_at", &spaced(at));
    }
    if let Some(at) = order.fulfilled_at {
        o.text("fulfilled_at", &spaced(at));
    }
    o.object("printify_connect", |o| {
        o.text("url", &format!("https://printify.example.com/connect/{}", order.id))
            .text("id", &order.id);
    });
}

fn line(out: &mut String, line: &PrintifyLine) {
    let mut o = Object::new(out);
    o.text("product_id", &line.product_id)
        .int("quantity", line.quantity)
        .int("variant_id", line.variant_id);
    o.int("print_provider_id", line.print_provider_id);
    if let Some(id) = line.external_id {
        o.text("external_id", &id.to_string());
    }
    o.int("cost", line.cost).int("shipping_cost", line.shipping_cost).text("status", line.status);
    o.object("metadata", |o| {
        o.text("title", &line.title)
            .int("price", line.retail_price)
            .text("variant_label", &line.variant_label);
        o.text("sku", &line.sku).text("country", line.provider_country);
        if let Some(id) = line.metadata_external_id {
            o.text("external_id", &id.to_string());
        }
    });
    if let Some(at) = line.sent_to_production_at {
        o.text("sent_to_production_at", &spaced(at));
    }
    if let Some(at) = line.fulfilled_at {
        o.text("fulfilled_at", &spaced(at));
    }
}

fn product(out: &mut String, world: &World, product: &PrintifyProduct) {
    let mut o = Object::new(out);
    o.text("id", &product.id).text("title", &product.title);
    o.text("description", &format!("{}. Printed on demand.", product.title));
    o.list("tags", &product.tags, |out, tag| json::text(out, tag));
    o.list("variants", &product.variants, |out, variant| {
        let mut o = Object::new(out);
        o.int("id", variant.id)
            .text("sku", &variant.sku)
            .int("cost", variant.cost)
            .int("price", variant.price);
        o.text("title", &variant.title).int("grams", variant.grams).flag("is_enabled", true);
        o.flag("is_default", variant.is_default).flag("is_available", true);
        o.list("options", &variant.options, |out, id| json::push(out, format_args!("{id}")));
    });
    o.text("created_at", &spaced(product.created_at))
        .text("updated_at", &spaced(product.updated_at));
    o.flag("visible", product.visible).flag("is_locked", false);
    o.int("blueprint_id", product.blueprint_id).int("print_provider_id", product.print_provider_id);
    o.int("user_id", 5_540_000 + world.seed() % 1_000).int("shop_id", PRINTIFY_SHOP_ID);
}

fn shipping(found: &ShippingProfiles) -> String {
    json::object(|o| {
        o.object("handling_time", |o| {
            o.int("value", found.handling_days).text("unit", "day");
        });
        o.list("profiles", &found.profiles, |out, profile| {
            let mut o = Object::new(out);
            o.list("variant_ids", &profile.variant_ids, |out, id| {
                json::push(out, format_args!("{id}"));
            });
            o.object("first_item", |o| {
                o.int("cost", profile.first_item).text("currency", "USD");
            });
            o.object("additional_items", |o| {
                o.int("cost", profile.additional_items).text("currency", "USD");
            });
            o.list("countries", profile.countries, |out, country| json::text(out, country));
        });
    })
}

fn failure(status: u16, code: u16, message: &str, reason: &str) -> Answer {
    let body = json::object(|o| {
        o.text("status", "error").int("code", code).text("message", message).object(
            "errors",
            |o| {
                o.text("reason", reason).int("code", code);
            },
        );
    });
    Answer::new(status, body)
}

fn not_found() -> Answer {
    failure(404, 8104, "Not found.", "The requested resource was not found.")
}

/// Printify's 429: no `Retry-After`.
fn too_many() -> Answer {
    failure(429, 8105, "Too many requests.", "Too Many Attempts.")
}
