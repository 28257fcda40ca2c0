//! The shop's designs, products and variants, and the suppliers' price and shipping lists for them.

use super::{
    calendar::{DAY, ORIGIN},
    dice::{Dice, Purpose, counter, index, signed},
    ids::Shopify,
    supply::Supplier,
    tables::{FAMILIES, KINDS, PROVIDERS, ZONES},
    variants::{VARIANT_STRIDE, VariantKey, printify_product_id, printify_rate, variants_of},
};

/// A printed motif, sold on several products.
#[derive(Debug, Clone)]
pub struct Design {
    pub index: u32,
    pub title: String,
    /// Position in `FAMILIES`: the truth, whatever the product's tags say.
    pub family: usize,
    pub niche: &'static str,
    pub style: &'static str,
    pub color: &'static str,
    pub launched_at: i64,
}

/// A product of the shop.
#[derive(Debug, Clone)]
pub struct Product {
    pub index: u32,
    pub id: u64,
    pub design: u32,
    pub kind: usize,
    pub supplier: Supplier,
    pub handle: String,
    pub title: String,
    /// `ACTIVE` or `ARCHIVED`.
    pub status: &'static str,
    pub product_type: &'static str,
    pub vendor: &'static str,
    pub tags: Vec<String>,
    pub metafields: Vec<Metafield>,
    pub created_at: i64,
    pub updated_at: i64,
    pub variants: Vec<Variant>,
}

/// A product metafield; `value` is text (type `single_line_text_field`).
#[derive(Debug, Clone)]
pub struct Metafield {
    pub id: u64,
    pub namespace: &'static str,
    pub key: &'static str,
    pub value: String,
    pub updated_at: i64,
}

/// A variant of a product.
#[derive(Debug, Clone)]
pub struct Variant {
    /// `16 * product + position`.
    pub key: u32,
    pub id: u64,
    pub inventory_item_id: u64,
    pub sku: String,
    pub title: String,
    /// (name, value) pairs.
    pub options: Vec<(&'static str, &'static str)>,
    pub price: i64,
    pub compare_at_price: Option<i64>,
}

/// A product as Printify lists it.
#[derive(Debug, Clone)]
pub struct PrintifyProduct {
    /// 24 hex digits.
    pub id: String,
    pub title: String,
    pub tags: Vec<String>,
    pub blueprint_id: u32,
    pub print_provider_id: u32,
    pub visible: bool,
    pub created_at: i64,
    pub updated_at: i64,
    pub variants: Vec<PrintifyVariant>,
}

/// A variant as Printify lists it; `cost` is today's.
#[derive(Debug, Clone)]
pub struct PrintifyVariant {
    pub id: u32,
    pub sku: String,
    pub cost: i64,
    pub price: i64,
    pub title: String,
    pub grams: i64,
    pub is_default: bool,
    pub options: Vec<u32>,
}

/// Printify's shipping prices of one blueprint at one provider.
#[derive(Debug, Clone)]
pub struct ShippingProfiles {
    pub blueprint_id: u32,
    pub print_provider_id: u32,
    pub handling_days: i64,
    pub profiles: Vec<ShippingProfile>,
}

/// One zone and variant group.
#[derive(Debug, Clone)]
pub struct ShippingProfile {
    pub variant_ids: Vec<u32>,
    pub first_item: i64,
    pub additional_items: i64,
    /// ISO codes, or `REST_OF_THE_WORLD`.
    pub countries: &'static [&'static str],
}

/// A product as the Printful store lists it.
#[derive(Debug, Clone)]
pub struct PrintfulStoreProduct {
    pub id: u64,
    /// Shopify product id.
    pub external_id: u64,
    pub name: String,
    pub variants: Vec<PrintfulSyncVariant>,
}

/// A variant of a Printful store product.
#[derive(Debug, Clone)]
pub struct PrintfulSyncVariant {
    pub id: u64,
    /// Shopify variant id.
    pub external_id: u64,
    pub name: String,
    /// Catalog variant.
    pub variant_id: u32,
    pub catalog_product_id: u32,
    pub catalog_name: String,
    pub retail_price: i64,
    pub sku: String,
}

/// A product of Printful's catalog.
#[derive(Debug, Clone)]
pub struct PrintfulCatalogProduct {
    pub id: u32,
    pub kind: &'static str,
    pub type_name: &'static str,
    pub title: &'static str,
    pub brand: &'static str,
    pub model: &'static str,
    pub variants: Vec<PrintfulCatalogVariant>,
}

/// A variant of Printful's catalog; `price` is today's.
#[derive(Debug, Clone)]
pub struct PrintfulCatalogVariant {
    pub id: u32,
    pub name: String,
    pub size: &'static str,
    pub color: &'static str,
    pub price: i64,
}

/// Everything the shop and its suppliers sell at `as_of`.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) designs: Vec<Design>,
    /// Supplier of product `design * KINDS + kind`, `None` where the design is not sold on that kind.
    suppliers: Vec<Option<Supplier>>,
    pub(crate) products: Vec<Product>,
    /// Place in `products` by product index.
    places: Vec<Option<u32>>,
    pub(crate) printify: Vec<PrintifyProduct>,
    pub(crate) printful: Vec<PrintfulStoreProduct>,
    pub(crate) printful_blanks: Vec<PrintfulCatalogProduct>,
    pub(crate) profiles: Vec<ShippingProfiles>,
}

/// How a product tells its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Labels {
    Tags,
    Metafields,
    TagsFrom(i64),
    Nothing,
}

impl Catalog {
    pub(crate) fn new(seed: u64, orders: u32, as_of: i64) -> Self {
        let at_start = 60 + u64::from(orders.isqrt() / 4).min(240);
        let old = at_start * 6 / 10;
        // New designs keep coming at one pace, also after the history.
        let every = 720 * DAY / signed((at_start - old).max(1));
        let launches = (0..at_start * 13 / 10)
            .map(|d| if d < old { ORIGIN - 40 * DAY } else { ORIGIN + signed(d - old) * every });
        let designs: Vec<Design> =
            launches.enumerate().map(|(d, at)| design(seed, counter(d), at)).collect();
        let mut catalog = Self {
            suppliers: Vec::new(),
            products: Vec::new(),
            places: Vec::new(),
            printify: Vec::new(),
            printful: Vec::new(),
            printful_blanks: printful_blanks(as_of),
            profiles: profiles(),
            designs,
        };
        for at in 0..catalog.designs.len() * KINDS.len() {
            catalog.add(seed, counter(at), as_of);
        }
        catalog
    }

    fn add(&mut self, seed: u64, product: u32, as_of: i64) {
        let key = VariantKey::new(product * VARIANT_STRIDE);
        let mut dice = Dice::new(seed, Purpose::Product, u64::from(product));
        let is_sold = key.kind.code == "TEE" || dice.chance(6_000);
        let supplier = if dice.chance(6_700) {
            let (provider, _) =
                dice.pick(&[PROVIDERS[0], PROVIDERS[0], PROVIDERS[1], PROVIDERS[2]], PROVIDERS[0]);
            Supplier::Printify { provider }
        } else {
            Supplier::Printful
        };
        self.suppliers.push(is_sold.then_some(supplier));
        self.places.push(None);
        let Some(design) = self.designs.get(index(u64::from(key.design))) else { return };
        if !is_sold || design.launched_at > as_of {
            return;
        }
        let made = product_of(&mut dice, design, &key, supplier, as_of);
        if let Some(place) = self.places.last_mut() {
            *place = Some(counter(self.products.len()));
        }
        match supplier {
            Supplier::Printify { provider } => {
                self.printify.push(printify_of(&made, provider, as_of));
            }
            Supplier::Printful => self.printful.push(printful_of(&made)),
        }
        self.products.push(made);
    }

    /// Supplier of a product, `None` if the design is not sold on that kind.
    pub(crate) fn supplier(&self, product: u32) -> Option<Supplier> {
        self.suppliers.get(index(u64::from(product))).copied().flatten()
    }

    pub(crate) fn product(&self, product: u32) -> Option<&Product> {
        let place = self.places.get(index(u64::from(product))).copied().flatten()?;
        self.products.get(index(u64::from(place)))
    }

    /// How many designs were launched at `at`; they are the first ones.
    pub(crate) fn launched(&self, at: i64) -> u64 {
        u64::from(counter(self.designs.partition_point(|design| design.launched_at <= at)))
    }

    /// Retail price of a variant.
    pub(crate) fn price(key: &VariantKey) -> i64 {
        let premium = i64::from(key.product % 3) * 100;
        key.kind.price + key.size().extra_price + premium
    }
}

fn design(seed: u64, d: u32, launched_at: i64) -> Design {
    let mut dice = Dice::new(seed, Purpose::Design, u64::from(d));
    let at = index(u64::from(d)) % FAMILIES.len();
    let [first, ..] = &FAMILIES;
    let family = FAMILIES.get(at).unwrap_or(first);
    let motif = dice.pick(family.motifs, "Plain");
    Design {
        index: d,
        title: format!("{motif} No. {}", d + 1),
        family: at,
        niche: dice.pick(family.niches, "other"),
        style: dice.pick(family.styles, "other"),
        color: dice.pick(family.colors, "other"),
        launched_at,
    }
}

fn product_of(
    dice: &mut Dice,
    design: &Design,
    key: &VariantKey,
    supplier: Supplier,
    as_of: i64,
) -> Product {
    let created_at = design.launched_at;
    let touched_at = created_at + dice.between(5, 500) * DAY + dice.between(0, DAY);
    let labels = match dice.below(100) {
        0..=78 => Labels::Tags,
        79..=90 => Labels::Metafields,
        91..=95 => Labels::TagsFrom(created_at + dice.between(20, 400) * DAY),
        _ => Labels::Nothing,
    };
    let family = FAMILIES.get(design.family).map_or("", |family| family.name);
    let facts = [
        ("aesthetic", family.to_owned()),
        ("niche", design.niche.to_owned()),
        ("style", design.style.to_owned()),
        ("color", design.color.to_owned()),
        ("design", format!("D{:04}", design.index)),
    ];
    let mut updated_at = created_at;
    let mut tags = vec![key.kind.name.to_lowercase().replace(' ', "-")];
    let mut metafields = Vec::new();
    let is_tagged = match labels {
        Labels::Tags => true,
        Labels::TagsFrom(at) => at <= as_of,
        Labels::Metafields | Labels::Nothing => false,
    };
    if is_tagged {
        tags.extend(facts.iter().map(|(name, value)| format!("{name}:{value}")));
    }
    if let (Labels::TagsFrom(at), true) = (labels, is_tagged) {
        updated_at = at;
    }
    if labels == Labels::Metafields {
        for (at, (name, value)) in facts.into_iter().enumerate() {
            let id = Shopify::Metafield.id(u64::from(key.product) * 8 + u64::from(counter(at)));
            metafields.push(Metafield {
                id,
                namespace: "inkhouse",
                key: name,
                value,
                updated_at: created_at,
            });
        }
    }
    let is_touched = touched_at <= as_of;
    if is_touched {
        updated_at = updated_at.max(touched_at);
        tags.push("bestseller".to_owned());
    }
    let status = if is_touched && dice.chance(300) { "ARCHIVED" } else { "ACTIVE" };
    let title = format!("{} {}", design.title, key.kind.name);
    Product {
        index: key.product,
        id: Shopify::Product.id(u64::from(key.product)),
        design: design.index,
        kind: index(u64::from(key.product)) % KINDS.len(),
        supplier,
        handle: handle(&title),
        title,
        status,
        product_type: key.kind.name,
        vendor: match supplier {
            Supplier::Printify { .. } => "Printify",
            Supplier::Printful => "Printful",
        },
        tags,
        metafields,
        created_at,
        updated_at,
        variants: (0..variants_of(key.kind))
            .map(|at| variant_of(key.product * VARIANT_STRIDE + at))
            .collect(),
    }
}

fn handle(title: &str) -> String {
    let words: Vec<String> = title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

fn variant_of(key: u32) -> Variant {
    let parts = VariantKey::new(key);
    let mut options = vec![("Size", parts.size().name)];
    if parts.kind.colors.len() > 1 {
        options.insert(0, ("Color", parts.color()));
    }
    let price = Catalog::price(&parts);
    Variant {
        key,
        id: Shopify::Variant.id(u64::from(key)),
        inventory_item_id: Shopify::InventoryItem.id(u64::from(key)),
        sku: parts.sku(),
        title: parts.label(),
        options,
        price,
        compare_at_price: key.is_multiple_of(37).then_some(price + 500),
    }
}

fn printify_of(product: &Product, provider: u32, as_of: i64) -> PrintifyProduct {
    let variants = product.variants.iter().map(|variant| {
        let key = VariantKey::new(variant.key);
        PrintifyVariant {
            id: key.printify_id(),
            sku: variant.sku.clone(),
            cost: key.printify_cost(provider, as_of),
            price: variant.price,
            title: variant.title.clone(),
            grams: key.kind.grams,
            is_default: key.position == 0,
            options: vec![500 + key.position, 900],
        }
    });
    let [first, ..] = &KINDS;
    PrintifyProduct {
        id: printify_product_id(product.index, product.created_at),
        title: product.title.clone(),
        tags: vec![product.product_type.to_owned()],
        blueprint_id: KINDS.get(product.kind).unwrap_or(first).blueprint_id,
        print_provider_id: provider,
        visible: product.status == "ACTIVE",
        created_at: product.created_at,
        updated_at: product.updated_at,
        variants: variants.collect(),
    }
}

fn printful_of(product: &Product) -> PrintfulStoreProduct {
    let variants = product.variants.iter().map(|variant| {
        let key = VariantKey::new(variant.key);
        PrintfulSyncVariant {
            id: sync_variant_id(variant.key),
            external_id: variant.id,
            name: format!("{} - {}", product.title, variant.title),
            variant_id: key.printful_id(),
            catalog_product_id: key.kind.printful_id,
            catalog_name: catalog_name(&key),
            retail_price: variant.price,
            sku: variant.sku.clone(),
        }
    });
    PrintfulStoreProduct {
        id: 330_000_000 + u64::from(product.index),
        external_id: product.id,
        name: product.title.clone(),
        variants: variants.collect(),
    }
}

pub(crate) fn sync_variant_id(key: u32) -> u64 {
    4_200_000_000 + u64::from(key)
}

pub(crate) fn catalog_name(key: &VariantKey) -> String {
    format!("{} {} ({})", key.kind.brand, key.kind.model, key.label())
}

fn printful_blanks(as_of: i64) -> Vec<PrintfulCatalogProduct> {
    let kinds = KINDS.iter().enumerate().map(|(at, kind)| {
        let variants = (0..variants_of(kind)).map(|position| {
            let key = VariantKey::new(counter(at) * VARIANT_STRIDE + position);
            PrintfulCatalogVariant {
                id: key.printful_id(),
                name: catalog_name(&key),
                size: key.size().name,
                color: key.color(),
                price: key.printful_price(as_of),
            }
        });
        PrintfulCatalogProduct {
            id: kind.printful_id,
            kind: kind.printful_kind,
            type_name: kind.name,
            title: kind.model,
            brand: kind.brand,
            model: kind.model,
            variants: variants.collect(),
        }
    });
    kinds.collect()
}

fn profiles() -> Vec<ShippingProfiles> {
    let mut all = Vec::new();
    for (at, kind) in KINDS.iter().enumerate() {
        for (provider, _) in PROVIDERS {
            let mut profiles = Vec::new();
            for is_large in [false, true] {
                let keys = (0..variants_of(kind))
                    .map(|position| VariantKey::new(counter(at) * VARIANT_STRIDE + position));
                let variant_ids: Vec<u32> = keys
                    .filter(|key| key.size().is_large == is_large)
                    .map(|key| key.printify_id())
                    .collect();
                if variant_ids.is_empty() {
                    continue;
                }
                for zone in ZONES {
                    let (first_item, additional_items) =
                        printify_rate(kind, provider, is_large, zone);
                    profiles.push(ShippingProfile {
                        variant_ids: variant_ids.clone(),
                        first_item,
                        additional_items,
                        countries: zone.countries(),
                    });
                }
            }
            all.push(ShippingProfiles {
                blueprint_id: kind.blueprint_id,
                print_provider_id: provider,
                handling_days: 3,
                profiles,
            });
        }
    }
    all
}
