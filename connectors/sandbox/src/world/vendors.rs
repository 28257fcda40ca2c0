//! Supplier orders as each supplier would show them, house orders (samples, manual ones) among them.

use super::{
    PRINTFUL_STORE_ID, World,
    calendar::{DAY, ORIGIN},
    catalog::{
        Catalog, PrintfulCatalogProduct, PrintfulStoreProduct, PrintifyProduct, ShippingProfiles,
        catalog_name, sync_variant_id,
    },
    dice::{Dice, Purpose, counter, index, signed},
    facts::{Destination, Line, Order},
    ids::{Shopify, hex_code, hex_id, printful_order_code, printful_order_id},
    people::recipient,
    sourcing::{Job, PRINTFUL_PART, REPRINT, parts, show},
    supply::{
        Link, Part, PartState, PrintfulItem, PrintfulOrder, PrintfulRetail, PrintfulShipment,
        PrintifyLine, PrintifyOrder, PrintifyShipment, Recipient, Supplier,
    },
    tables::{KINDS, PROVIDERS},
    variants::{VARIANT_STRIDE, VariantKey, printify_product_id, provider_slot},
};

/// Supplier order codes from here on are house orders.
pub(crate) const HOUSE: u32 = 0xF000_0000;
/// Codes of Printify orders of the shop: `PART_STRIDE * order + part number`.
pub(crate) const PART_STRIDE: u32 = 8;

/// Why the shop ordered something itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HousePurpose {
    /// A sample.
    Sample,
    /// A sample not paid for yet (Printful `draft`): costs nothing.
    Draft,
    /// Typed in by hand, under a name no shop order has.
    Manual,
}

/// A supplier order that belongs to no shop order.
#[derive(Debug, Clone)]
pub struct HouseOrder {
    /// Counter, per supplier.
    pub number: u32,
    pub purpose: HousePurpose,
    pub lines: Vec<Line>,
    pub part: Part,
}

const HOME: Destination =
    Destination { country: "US", province: "OR", city: "Portland", zip_number: 97_205 };

impl World {
    /// The `number`th house order at a supplier, `None` if not visible.
    pub fn house_order(&self, is_printful: bool, number: u32) -> Option<HouseOrder> {
        let supplier_bit = u64::from(is_printful) << 40;
        let mut dice = Dice::new(self.seed(), Purpose::House, supplier_bit | u64::from(number));
        let every = if is_printful { 61 } else { 43 };
        let created_at =
            ORIGIN + (20 + i64::from(number) * every) * DAY + dice.between(0, 15 * DAY);
        if created_at > self.as_of() {
            return None;
        }
        let purpose = match (is_printful, number % 7) {
            (_, 4) => HousePurpose::Manual,
            (true, 5) => HousePurpose::Draft,
            _ => HousePurpose::Sample,
        };
        let code = HOUSE | number;
        let wanted = dice.between(1, 2);
        let mut lines: Vec<Line> = Vec::new();
        for _ in 0..60 {
            if signed(u64::from(counter(lines.len()))) == wanted {
                break;
            }
            let designs = self.catalog().launched(created_at) * u64::from(counter(KINDS.len()));
            let product = u32::try_from(dice.below(designs)).unwrap_or(0);
            let fits = self
                .catalog()
                .supplier(product)
                .is_some_and(|supplier| (supplier == Supplier::Printful) == is_printful);
            let variant = product * VARIANT_STRIDE;
            if fits && lines.iter().all(|line| line.variant != variant) {
                let position = counter(lines.len());
                lines.push(Line {
                    id: 0,
                    position,
                    variant,
                    quantity: 1,
                    unit_price: Catalog::price(&VariantKey::new(variant)),
                    line_discount: 0,
                    code_discount: 0,
                    tax: 0,
                    refunded_quantity: 0,
                });
            }
        }
        let job =
            Job { order: code, created_at, destination: &HOME, lines: &lines, cancelled_at: None };
        let mut made = parts(self.seed() ^ supplier_bit, self.catalog(), &job);
        show(&mut made, self.as_of(), None);
        let mut part = made.into_iter().find(|part| !part.is_reprint)?;
        part.reprinted_by = None;
        // A split would leave lines behind; the house order is the part alone.
        Some(HouseOrder { number, purpose, lines, part })
    }

    /// All visible house orders at a supplier, oldest first.
    pub fn house_orders(&self, is_printful: bool) -> impl Iterator<Item = HouseOrder> + '_ {
        let days = u64::try_from((self.as_of() - ORIGIN).max(0) / DAY).unwrap_or(0);
        let most = u32::try_from(days / 40 + 2).unwrap_or(0);
        (0..most).filter_map(move |number| self.house_order(is_printful, number))
    }

    /// How many Printify orders are visible.
    pub fn printify_order_count(&self) -> usize {
        self.index().printify.len()
    }

    /// Printify orders, newest first, from position `offset`.
    pub fn printify_orders(&self, offset: usize, limit: usize) -> Vec<PrintifyOrder> {
        let codes = self.index().printify.iter().rev().skip(offset).take(limit);
        codes.filter_map(|(_, code)| self.printify_order_of(*code)).collect()
    }

    /// The Printify order with this id.
    pub fn printify_order(&self, id: &str) -> Option<PrintifyOrder> {
        let code = u32::try_from(hex_code(id)?).ok()?;
        self.printify_order_of(code).filter(|order| order.id == id)
    }

    /// The Printify order with this code.
    pub fn printify_order_of(&self, code: u32) -> Option<PrintifyOrder> {
        if code >= HOUSE {
            let house = self.house_order(false, code - HOUSE)?;
            return Some(self.printify_house(code, &house));
        }
        let order = self.order(code / PART_STRIDE)?;
        let number = u8::try_from(code % PART_STRIDE).unwrap_or(u8::MAX);
        let part = order.parts.iter().find(|part| part.number == number && !part.is_printful)?;
        Some(self.printify_shop(code, &order, part))
    }

    fn printify_shop(&self, code: u32, order: &Order, part: &Part) -> PrintifyOrder {
        let mut shown = self.printify_view(code, part, &order.lines, recipient(self.seed(), order));
        let sibling = |number: u8| {
            let other = order.parts.iter().find(|other| other.number == number)?;
            Some(printify_id(other.created_at, order.index * PART_STRIDE + u32::from(number)))
        };
        shown.order_type = "external";
        shown.shop_order_id = Some(order.id);
        shown.shop_order_id_is_text = code % 5 < 2;
        shown.shop_order_label = Some(order.name());
        shown.is_reprint = part.is_reprint;
        if part.is_reprint {
            shown.reprinted_order_ids = sibling(part.number - REPRINT).into_iter().collect();
        }
        shown.child_reprinted_order_ids = part.reprinted_by.and_then(sibling).into_iter().collect();
        shown.shop_fulfilled_at = part.fulfilled_at;
        shown
    }

    fn printify_house(&self, code: u32, house: &HouseOrder) -> PrintifyOrder {
        let mut shown = self.printify_view(code, &house.part, &house.lines, house_recipient());
        if house.purpose == HousePurpose::Manual {
            shown.order_type = "manual";
            shown.shop_order_id = Some(777_000 + u64::from(house.number));
            shown.shop_order_id_is_text = true;
        } else {
            shown.order_type = "sample";
        }
        shown
    }

    fn printify_view(
        &self,
        code: u32,
        part: &Part,
        lines: &[Line],
        recipient: Recipient,
    ) -> PrintifyOrder {
        let status = printify_status(part.state);
        let hidden = !part.is_costed;
        let cost = |cents: i64| if hidden { 0 } else { cents };
        let total =
            |cents: i64| if hidden || part.state == PartState::Canceled { 0 } else { cents };
        let mut shown_lines = Vec::with_capacity(part.lines.len());
        let mut retail = 0;
        for made in &part.lines {
            let Some(line) = lines.get(index(u64::from(made.line_position))) else { continue };
            let key = VariantKey::new(line.variant);
            let Some(product) = self.product(key.product) else { continue };
            let Supplier::Printify { provider } = product.supplier else { continue };
            retail += line.unit_price * made.quantity;
            let external = (line.id != 0).then_some(line.id);
            shown_lines.push(PrintifyLine {
                product_id: printify_product_id(product.index, product.created_at),
                variant_id: key.printify_id(),
                print_provider_id: provider,
                external_id: external.filter(|_| made.link == Link::ExternalId),
                metadata_external_id: external.filter(|_| made.link != Link::Sku),
                quantity: made.quantity,
                cost: cost(made.unit_cost),
                shipping_cost: cost(made.shipping_cost),
                status,
                title: product.title.clone(),
                retail_price: line.unit_price,
                variant_label: key.label(),
                sku: key.sku(),
                provider_country: PROVIDERS
                    .get(provider_slot(provider))
                    .map_or("", |(_, country)| country),
                sent_to_production_at: part.sent_to_production_at,
                fulfilled_at: part.fulfilled_at,
            });
        }
        let parcel = part.fulfilled_at.map(|_| PrintifyShipment {
            carrier: if recipient.country == "US" { "usps" } else { "dhl" },
            number: format!("94001{code:017}"),
            delivered_at: part.delivered_at,
        });
        PrintifyOrder {
            code,
            id: printify_id(part.created_at, code),
            app_order_id: format!("215014.{code}"),
            order_type: "external",
            shop_order_id: None,
            shop_order_id_is_text: false,
            shop_order_label: None,
            is_reprint: false,
            reprinted_order_ids: Vec::new(),
            child_reprinted_order_ids: Vec::new(),
            shop_fulfilled_at: None,
            status,
            shipping_method: if part.is_express { 3 } else { 1 },
            is_express: part.is_express,
            is_economy: false,
            total_price: total(retail),
            total_shipping: total(part.lines.iter().map(|line| line.shipping_cost).sum()),
            total_tax: total(part.tax),
            recipient,
            lines: shown_lines,
            created_at: part.created_at,
            sent_to_production_at: part.sent_to_production_at,
            fulfilled_at: part.fulfilled_at,
            shipments: parcel.into_iter().collect(),
        }
    }

    /// The products Printify makes.
    pub fn printify_products(&self) -> &[PrintifyProduct] {
        &self.catalog().printify
    }

    /// Shipping prices of a blueprint at a provider.
    pub fn printify_shipping(
        &self,
        blueprint_id: u32,
        print_provider_id: u32,
    ) -> Option<&ShippingProfiles> {
        self.printify_shipping_profiles().iter().find(|one| {
            one.blueprint_id == blueprint_id && one.print_provider_id == print_provider_id
        })
    }

    /// All of Printify's shipping prices the shop can meet.
    pub fn printify_shipping_profiles(&self) -> &[ShippingProfiles] {
        &self.catalog().profiles
    }

    /// How many Printful orders are visible.
    pub fn printful_order_count(&self) -> usize {
        self.index().printful.len()
    }

    /// Printful orders, newest first, from position `offset`.
    pub fn printful_orders(&self, offset: usize, limit: usize) -> Vec<PrintfulOrder> {
        let codes = self.index().printful.iter().rev().skip(offset).take(limit);
        codes.filter_map(|(_, code)| self.printful_order_of(*code)).collect()
    }

    /// The Printful order with this id.
    pub fn printful_order(&self, id: u64) -> Option<PrintfulOrder> {
        self.printful_order_of(printful_order_code(id)?)
    }

    /// The Printful order with this code: the shop order's counter, or a house order.
    pub fn printful_order_of(&self, code: u32) -> Option<PrintfulOrder> {
        if code >= HOUSE {
            let house = self.house_order(true, code - HOUSE)?;
            let mut shown = self.printful_view(code, &house.part, &house.lines, house_recipient());
            if house.purpose == HousePurpose::Manual {
                shown.external_id = Some(format!("MANUAL-{}", house.number));
            }
            if house.purpose == HousePurpose::Draft {
                shown.status = "draft";
                shown.shipments.clear();
            }
            return Some(shown);
        }
        let order = self.order(code)?;
        let part = order.parts.iter().find(|part| part.number == PRINTFUL_PART)?;
        let mut shown =
            self.printful_view(code, part, &order.lines, recipient(self.seed(), &order));
        shown.external_id = Some(order.id.to_string());
        if let Some(cancelled) = order.cancelled {
            shown.updated_at = shown.updated_at.max(cancelled.at);
        }
        shown.retail = PrintfulRetail {
            subtotal: order.lines.iter().map(Line::gross).sum(),
            discount: order.lines.iter().map(Line::discount).sum(),
            shipping: order.total_shipping(),
            tax: order.total_tax(),
            total: order.total_price(),
        };
        Some(shown)
    }

    fn printful_view(
        &self,
        code: u32,
        part: &Part,
        lines: &[Line],
        recipient: Recipient,
    ) -> PrintfulOrder {
        let id = printful_order_id(code);
        let mut items = Vec::with_capacity(part.lines.len());
        for made in &part.lines {
            let Some(line) = lines.get(index(u64::from(made.line_position))) else { continue };
            let key = VariantKey::new(line.variant);
            let title = self.product(key.product).map_or("", |product| product.title.as_str());
            items.push(PrintfulItem {
                id: id * 8 + u64::from(made.line_position),
                external_id: (line.id != 0 && made.link == Link::ExternalId).then_some(line.id),
                variant_id: key.printful_id(),
                catalog_product_id: key.kind.printful_id,
                sync_variant_id: sync_variant_id(line.variant),
                external_variant_id: Shopify::Variant.id(u64::from(line.variant)),
                quantity: made.quantity,
                price: made.unit_cost,
                retail_price: line.unit_price,
                name: format!("{title} - {}", key.label()),
                sku: key.sku(),
                catalog_name: catalog_name(&key),
            });
        }
        let subtotal: i64 = part.lines.iter().map(|line| line.unit_cost * line.quantity).sum();
        let parcel = |at: i64, is_reshipment: bool| PrintfulShipment {
            id: id * 4 + u64::from(is_reshipment),
            carrier: "USPS",
            service: "USPS Ground Advantage",
            tracking_number: format!("92748{id:015}{}", u8::from(is_reshipment)),
            shipped_at: at,
            is_reshipment,
            items: items.iter().map(|item| (item.id, item.quantity)).collect(),
        };
        let shipments = part.fulfilled_at.map(|at| parcel(at, false)).into_iter();
        let shipments = shipments.chain(part.reshipped_at.map(|at| parcel(at, true))).collect();
        let moments = [
            Some(part.created_at),
            part.sent_to_production_at,
            part.fulfilled_at,
            part.reshipped_at,
        ];
        PrintfulOrder {
            code,
            id,
            external_id: None,
            status: match part.state {
                PartState::CostCalculation | PartState::OnHold => "pending",
                PartState::InProduction => "inprocess",
                PartState::Fulfilled => "fulfilled",
                PartState::Canceled => "canceled",
            },
            created_at: part.created_at,
            updated_at: moments.into_iter().flatten().max().unwrap_or(part.created_at),
            recipient,
            items,
            subtotal,
            discount: part.discount,
            shipping: part.shipping,
            fees: part.fees,
            tax: part.tax,
            vat: part.vat,
            total: subtotal - part.discount
                + part.shipping
                + part.fees.total()
                + part.tax
                + part.vat,
            retail: PrintfulRetail::default(),
            shipments,
        }
    }

    /// The products of the Printful store.
    pub fn printful_store_products(&self) -> &[PrintfulStoreProduct] {
        &self.catalog().printful
    }

    /// The catalog products they are made of, at today's prices.
    pub fn printful_catalog_products(&self) -> &[PrintfulCatalogProduct] {
        &self.catalog().printful_blanks
    }
}

/// 24 hex digits for a Printify order.
pub(crate) fn printify_id(created_at: i64, code: u32) -> String {
    hex_id(created_at, u64::from(code))
}

const fn printify_status(state: PartState) -> &'static str {
    match state {
        PartState::CostCalculation => "cost-calculation",
        PartState::OnHold => "on-hold",
        PartState::InProduction => "in-production",
        PartState::Fulfilled => "fulfilled",
        PartState::Canceled => "canceled",
    }
}

fn house_recipient() -> Recipient {
    Recipient {
        first_name: "Studio".to_owned(),
        last_name: "Inkhouse".to_owned(),
        email: format!("studio+{PRINTFUL_STORE_ID}@example.com"),
        phone: None,
        address1: "1 Press Lane".to_owned(),
        city: HOME.city.to_owned(),
        region: HOME.province.to_owned(),
        zip: HOME.zip(),
        country: HOME.country.to_owned(),
    }
}
