//! The root fields: walks by search and cursor, single records by id.
//!
//! Walks sorted by `UPDATED_AT` come straight from the world's index; every other sort goes by
//! creation, which is the order of the ids.

use serde_json::Value as Json;

use crate::world::{World, catalog::Product, facts::Order, people::Customer};

use super::{
    super::json::{cursor, list, uncursor},
    Failure,
    nodes::Node,
    plan::{Item, Variables},
    render::{Renderer, Rows},
    search::{Facts, Search},
};

/// Writes the value of a root field.
pub(super) fn write(
    renderer: &mut Renderer<'_>,
    out: &mut String,
    item: &Item,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    let world = renderer.world;
    match item.name {
        "orders" => {
            let walk = Walk::of(
                renderer,
                item,
                &["updated_at", "created_at", "processed_at"],
                &["status", "financial_status", "fulfillment_status", "test", "id", "name"],
                warnings,
            )?;
            let source = Source {
                updated: |from, to, after, limit| world.orders_updated(from, to, after, limit),
                get: |index| world.order(index),
                count: world.order_count(),
            };
            let (found, has_next) = walk.run(&source);
            show(renderer, out, item, &walk, &found, has_next, |order| Node::Order(order));
        }
        "products" => {
            let walk = Walk::of(
                renderer,
                item,
                &["updated_at", "created_at"],
                &["status", "vendor", "product_type", "id", "handle", "tag"],
                warnings,
            )?;
            let count = world.products().iter().map(|product| product.index + 1).max().unwrap_or(0);
            let source = Source {
                updated: |from, to, after, limit| world.products_updated(from, to, after, limit),
                get: |index| world.product(index),
                count,
            };
            let (found, has_next) = walk.run(&source);
            show(renderer, out, item, &walk, &found, has_next, |product| Node::Product(product));
        }
        "customers" => {
            let walk = Walk::of(
                renderer,
                item,
                &["updated_at", "customer_date"],
                &["email", "id"],
                warnings,
            )?;
            let source = Source {
                updated: |from, to, after, limit| world.customers_updated(from, to, after, limit),
                get: |index| world.customer(index),
                count: world.person_count().saturating_mul(2),
            };
            let (found, has_next) = walk.run(&source);
            show(renderer, out, item, &walk, &found, has_next, |customer| Node::Customer(customer));
        }
        "nodes" => several(renderer, out, item)?,
        "shop" => renderer.object(out, Node::Shop, &item.items),
        name => {
            let id = item
                .argument("id", renderer.variables)
                .and_then(|id| id.as_str().map(str::to_owned));
            let id = id.ok_or_else(|| {
                failure(
                    item,
                    format!("Field '{name}' is missing required arguments: id"),
                    "missingRequiredArguments",
                )
            })?;
            let wanted = match name {
                "order" => Some("Order"),
                "product" => Some("Product"),
                "customer" => Some("Customer"),
                _ => None,
            };
            single(renderer, out, item, &id, wanted)
                .map_err(|message| failure(item, message, "RESOURCE_NOT_FOUND"))?;
        }
    }
    Ok(())
}

/// Records by their global ids, null where there is none.
fn several(renderer: &mut Renderer<'_>, out: &mut String, item: &Item) -> Result<(), Failure> {
    let ids = item.argument("ids", renderer.variables);
    let ids: Vec<String> = ids
        .as_ref()
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .map(str::to_owned)
        .collect();
    if ids.len() > 250 {
        return Err(failure(
            item,
            "The input array size is greater than the maximum allowed of 250".to_owned(),
            "MAX_INPUT_SIZE_EXCEEDED",
        ));
    }
    let mut wrong = None;
    list(out, ids, |out, id| {
        if let Err(message) = single(renderer, out, item, &id, None) {
            out.push_str("null");
            wrong = Some(message);
        }
    });
    wrong.map_or(Ok(()), |message| Err(failure(item, message, "argumentLiteralsIncompatible")))
}

fn failure(item: &Item, message: String, code: &'static str) -> Failure {
    Failure { message, code, place: item.place, path: Some(item.key.clone()) }
}

/// One record by its global id, null when there is none.
fn single(
    renderer: &mut Renderer<'_>,
    out: &mut String,
    item: &Item,
    gid: &str,
    wanted: Option<&str>,
) -> Result<(), String> {
    let parts = gid.strip_prefix("gid://shopify/").and_then(|rest| rest.split_once('/'));
    let Some((kind, number)) = parts else { return Err(format!("Invalid global id '{gid}'")) };
    if wanted.is_some_and(|wanted| wanted != kind) {
        return Err(format!("Invalid id: {gid}"));
    }
    let Ok(number) = number.parse::<u64>() else {
        return Err(format!("Invalid global id '{gid}'"));
    };
    let world = renderer.world;
    let variables = renderer.variables;
    match kind {
        "Order" => match world.order_index(number).and_then(|index| world.order(index)) {
            Some(order) => written(renderer, put(world, variables, out, Node::Order(&order), item)),
            None => out.push_str("null"),
        },
        "Customer" => match world.customer_index(number).and_then(|index| world.customer(index)) {
            Some(customer) => {
                written(renderer, put(world, variables, out, Node::Customer(&customer), item));
            }
            None => out.push_str("null"),
        },
        "Refund" => {
            let order = world.order_index_of_refund(number).and_then(|index| world.order(index));
            let found = order.as_ref().and_then(|order| {
                Some((order, order.refunds.iter().find(|refund| refund.id == number)?))
            });
            match found {
                Some((order, refund)) => {
                    written(
                        renderer,
                        put(world, variables, out, Node::Refund(order, refund), item),
                    );
                }
                None => out.push_str("null"),
            }
        }
        "Product" => match world.products().iter().find(|product| product.id == number) {
            Some(product) => {
                written(renderer, put(world, variables, out, Node::Product(product), item));
            }
            None => out.push_str("null"),
        },
        "ProductVariant" => {
            let all = world
                .products()
                .iter()
                .flat_map(|product| product.variants.iter().map(move |variant| (product, variant)));
            match all.into_iter().find(|(_, variant)| variant.id == number) {
                Some((product, variant)) => written(
                    renderer,
                    put(world, variables, out, Node::Variant(product, variant), item),
                ),
                None => out.push_str("null"),
            }
        }
        _ => out.push_str("null"),
    }
    Ok(())
}

/// Writes one record, whose borrows may end sooner than the renderer's; its points and complaint.
fn put<'b>(
    world: &'b World,
    variables: &'b Variables,
    out: &mut String,
    node: Node<'b>,
    item: &Item,
) -> (u64, Option<String>) {
    let mut renderer = Renderer { world, variables, cost: 0, complaint: None };
    renderer.object(out, node, &item.items);
    (renderer.cost, renderer.complaint)
}

fn written(renderer: &mut Renderer<'_>, (cost, complaint): (u64, Option<String>)) {
    renderer.cost += cost;
    renderer.complaint = renderer.complaint.take().or(complaint);
}

/// Where the rows of a walk come from.
struct Source<U, G> {
    /// By update: from, to, after, limit.
    updated: U,
    get: G,
    /// One above the largest index.
    count: u32,
}

/// A walk asked for.
struct Walk {
    search: Search,
    by_update: bool,
    reverse: bool,
    after: Option<(i64, u32)>,
    first: usize,
}

impl Walk {
    fn of(
        renderer: &Renderer<'_>,
        item: &Item,
        times: &[&str],
        words: &[&str],
        warnings: &mut Vec<String>,
    ) -> Result<Self, Failure> {
        let argument = |name: &str| item.argument(name, renderer.variables);
        let bad = |message: String| failure(item, message, "BAD_REQUEST");
        let text = argument("query");
        let text = text.as_ref().and_then(Json::as_str).unwrap_or("");
        let search = Search::parse(text, times, words).map_err(bad)?;
        warnings.extend(search.warnings(&item.key, text));
        let first = match item.first(renderer.variables) {
            Some(first @ 0..=250) => usize::try_from(first).unwrap_or(0),
            Some(_) => return Err(bad("first must be at most 250".to_owned())),
            None => return Err(bad("you must provide one of first or last".to_owned())),
        };
        let by_update = argument("sortKey").as_ref().and_then(Json::as_str) == Some("UPDATED_AT");
        let after =
            match argument("after").as_ref().and_then(Json::as_str) {
                None => None,
                Some(after) => {
                    let place = uncursor(after).and_then(|place| {
                        let (sort, rest) = place.split_once(':')?;
                        let (at, index) = rest.split_once(':')?;
                        ((sort == "u") == by_update).then_some(())?;
                        Some((at.parse().ok()?, index.parse().ok()?))
                    });
                    Some(place.ok_or_else(|| {
                        bad("Invalid cursor for current pagination sort.".to_owned())
                    })?)
                }
            };
        let reverse = argument("reverse").and_then(|reverse| reverse.as_bool()) == Some(true);
        Ok(Self { search, by_update, reverse, after, first })
    }

    fn cursor(&self, at: i64, index: u32) -> String {
        cursor(&format!("{}:{at}:{index}", if self.by_update { "u" } else { "i" }))
    }

    /// The rows of the page and whether there are more.
    fn run<T: Facts>(
        &self,
        source: &Source<
            impl Fn(i64, i64, Option<(i64, u32)>, usize) -> Vec<(i64, u32)>,
            impl Fn(u32) -> Option<T>,
        >,
    ) -> (Vec<(i64, u32, T)>, bool) {
        let (from, to) = (self.search.from.unwrap_or(i64::MIN), self.search.to.unwrap_or(i64::MAX));
        let mut rows = Vec::with_capacity(self.first + 1);
        let mut place = self.after;
        let mut backwards = self.backwards(source);
        while rows.len() <= self.first {
            let room = if self.search.is_plain() { self.first + 1 - rows.len() } else { 512 };
            let keys: Vec<(i64, u32)> = match (&mut backwards, self.by_update) {
                (Some(keys), _) => keys.by_ref().take(room).collect(),
                (None, true) => (source.updated)(from, to, place, room),
                (None, false) => {
                    let start = place.map_or(0, |(_, index)| index.saturating_add(1));
                    (start..source.count).take(room).map(|index| (0, index)).collect()
                }
            };
            let Some(last) = keys.last().copied() else { break };
            place = Some(last);
            for (at, index) in keys {
                let Some(record) = (source.get)(index) else { continue };
                let in_range = self.by_update
                    || record.moment("updated_at").is_some_and(|at| from <= at && at < to);
                if in_range && self.search.fits(&record) {
                    rows.push((at, index, record));
                }
            }
        }
        let has_next = rows.len() > self.first;
        rows.truncate(self.first);
        (rows, has_next)
    }

    /// For `reverse`: the keys below the cursor, newest first.
    fn backwards(
        &self,
        source: &Source<
            impl Fn(i64, i64, Option<(i64, u32)>, usize) -> Vec<(i64, u32)>,
            impl Sized,
        >,
    ) -> Option<std::vec::IntoIter<(i64, u32)>> {
        if !self.reverse {
            return None;
        }
        let (from, to) = (self.search.from.unwrap_or(i64::MIN), self.search.to.unwrap_or(i64::MAX));
        let mut keys: Vec<(i64, u32)> = if self.by_update {
            (source.updated)(from, to, None, usize::MAX)
        } else {
            (0..source.count).map(|index| (0, index)).collect()
        };
        if let Some(after) = self.after {
            keys.truncate(keys.partition_point(|key| *key < after));
        }
        keys.reverse();
        Some(keys.into_iter())
    }
}

fn show<T>(
    renderer: &mut Renderer<'_>,
    out: &mut String,
    item: &Item,
    walk: &Walk,
    found: &[(i64, u32, T)],
    has_next: bool,
    node: impl for<'b> Fn(&'b T) -> Node<'b>,
) {
    let shown =
        found.iter().map(|(at, index, record)| (walk.cursor(*at, *index), node(record))).collect();
    let rows = Rows { shown, has_next, has_previous: walk.after.is_some() };
    let mut inner =
        Renderer { world: renderer.world, variables: renderer.variables, cost: 0, complaint: None };
    inner.connection(out, rows, item);
    let Renderer { cost, complaint, .. } = inner;
    written(renderer, (cost, complaint));
}

impl Facts for Order {
    fn moment(&self, field: &str) -> Option<i64> {
        match field {
            "updated_at" => Some(self.updated_at),
            "created_at" => Some(self.created_at),
            "processed_at" => Some(self.processed_at),
            _ => None,
        }
    }

    fn fits(&self, field: &str, word: &str) -> bool {
        match (field, word) {
            ("status", "open") => self.closed_at.is_none() && self.cancelled.is_none(),
            ("status", "closed") => self.closed_at.is_some() && self.cancelled.is_none(),
            ("status", "cancelled") => self.cancelled.is_some(),
            ("status", "not_closed") => self.closed_at.is_none(),
            ("status", "any") => true,
            ("financial_status", word) => self.financial_status().eq_ignore_ascii_case(word),
            ("fulfillment_status", word) => self.fulfillment_status().eq_ignore_ascii_case(word),
            ("test", word) => self.is_test.to_string() == word,
            ("id", word) => self.id.to_string() == word,
            ("name", word) => self.name() == word || self.number.to_string() == word,
            _ => false,
        }
    }
}

impl Facts for &Product {
    fn moment(&self, field: &str) -> Option<i64> {
        match field {
            "updated_at" => Some(self.updated_at),
            "created_at" => Some(self.created_at),
            _ => None,
        }
    }

    fn fits(&self, field: &str, word: &str) -> bool {
        match field {
            "status" => self.status.eq_ignore_ascii_case(word),
            "vendor" => self.vendor.eq_ignore_ascii_case(word),
            "product_type" => self.product_type.eq_ignore_ascii_case(word),
            "handle" => self.handle == word,
            "tag" => self.tags.iter().any(|tag| tag.eq_ignore_ascii_case(word)),
            _ => self.id.to_string() == word,
        }
    }
}

impl Facts for Customer {
    fn moment(&self, field: &str) -> Option<i64> {
        match field {
            "updated_at" => Some(self.updated_at),
            _ => Some(self.created_at),
        }
    }

    fn fits(&self, field: &str, word: &str) -> bool {
        match field {
            "email" => self.email == word,
            _ => self.id.to_string() == word,
        }
    }
}
