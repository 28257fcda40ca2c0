//! What is in an order and what the buyer pays for it: lines, discounts, shipping, tax.

use super::{
    catalog::Catalog,
    dice::{Dice, Purpose, counter, signed},
    facts::{Destination, Discount, DiscountKind, Line, ShippingLine, TaxRate},
    ids::Shopify,
    people::destination,
    tables::{FAMILIES, KINDS, Zone, place_of},
    variants::{VARIANT_STRIDE, VariantKey},
};

/// Lines of an order have counters `LINE_STRIDE * order + position`.
pub(crate) const LINE_STRIDE: u64 = 8;
/// Subtotal from which shipping within the US is free.
const FREE_SHIPPING_FROM: i64 = 7_500;

/// The commercial side of an order.
#[derive(Debug)]
pub(crate) struct Basket {
    pub(crate) destination: Destination,
    pub(crate) lines: Vec<Line>,
    pub(crate) discount: Option<Discount>,
    pub(crate) shipping_lines: Vec<ShippingLine>,
    pub(crate) tax: Option<TaxRate>,
    pub(crate) is_edited: bool,
}

/// What the buyer brings along.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) order: u32,
    pub(crate) at: i64,
    pub(crate) favourite: usize,
    /// Family of the ad that led here.
    pub(crate) advertised: Option<usize>,
    pub(crate) home: Destination,
}

/// Half up, for amounts that are not negative.
pub(crate) const fn round_share(cents: i64, numerator: i64, denominator: i64) -> i64 {
    (cents * numerator + denominator / 2) / denominator
}

/// The basket of a wish.
pub(crate) fn basket(seed: u64, catalog: &Catalog, wish: &Wish) -> Basket {
    let mut dice = Dice::new(seed, Purpose::Basket, u64::from(wish.order));
    let goes_home = dice.chance(9_200);
    let destination = if goes_home { wish.home } else { destination(&mut dice) };
    let mut lines = lines(&mut dice, catalog, wish);
    let discount = discount(&mut dice);
    if let Some(discount) = discount {
        discount_lines(&mut lines, discount.kind);
    }
    let tax = place_of(destination.country, destination.province)
        .filter(|place| place.tax_ppm > 0)
        .map(|place| TaxRate {
            title: place.tax_title,
            rate_ppm: place.tax_ppm,
            on_shipping: place.tax_on_shipping,
        });
    if let Some(tax) = tax {
        for line in &mut lines {
            line.tax = round_share(line.net(), tax.rate_ppm, 1_000_000);
        }
    }
    let is_edited = dice.chance(120);
    let shipping_lines =
        shipping(&mut dice, wish.order, &destination, &lines, discount, tax, is_edited);
    Basket { destination, lines, discount, shipping_lines, tax, is_edited }
}

fn lines(dice: &mut Dice, catalog: &Catalog, wish: &Wish) -> Vec<Line> {
    let wanted = 1 + dice.weighted(&[56, 25, 11, 5, 3]);
    let mut lines: Vec<Line> = Vec::with_capacity(wanted);
    for attempt in 0..wanted * 2 {
        if lines.len() == wanted {
            break;
        }
        let advertised = if attempt == 0 && dice.chance(6_000) { wish.advertised } else { None };
        let family = match advertised {
            Some(family) => family,
            None if dice.chance(7_000) => wish.favourite,
            None => dice.weighted(&FAMILIES.each_ref().map(|family| family.popularity)),
        };
        let Some(product) = product(dice, catalog, family, wish.at) else { continue };
        let first = VariantKey::new(product * VARIANT_STRIDE);
        let choices = u64::from(counter(first.kind.sizes.len() * first.kind.colors.len()));
        let variant = product * VARIANT_STRIDE + u32::try_from(dice.below(choices)).unwrap_or(0);
        if lines.iter().any(|line| line.variant == variant) {
            continue;
        }
        let position = counter(lines.len());
        let quantity = signed(1 + u64::from(counter(dice.weighted(&[80, 15, 5]))));
        lines.push(Line {
            id: Shopify::Line.id(u64::from(wish.order) * LINE_STRIDE + u64::from(position)),
            position,
            variant,
            quantity,
            unit_price: Catalog::price(&VariantKey::new(variant)),
            line_discount: 0,
            code_discount: 0,
            tax: 0,
            refunded_quantity: 0,
        });
    }
    lines
}

/// A product of the family that was sold at the time.
fn product(dice: &mut Dice, catalog: &Catalog, family: usize, at: i64) -> Option<u32> {
    let families = u64::from(counter(FAMILIES.len()));
    let family = u64::from(counter(family));
    let designs = (catalog.launched(at).saturating_sub(family)).div_ceil(families);
    // Two draws, the smaller wins: older designs sell more.
    let rank = dice.below(designs).min(dice.below(designs));
    let design = family + rank * families;
    let kinds = u64::from(counter(KINDS.len()));
    let weights = std::array::from_fn::<u64, 7, _>(|kind| {
        let product = u32::try_from(design * kinds + u64::from(counter(kind))).unwrap_or(u32::MAX);
        let sold = catalog.supplier(product).is_some();
        KINDS.get(kind).filter(|_| sold).map_or(0, |kind| kind.popularity)
    });
    let kind = dice.weighted(&weights);
    u32::try_from(design * kinds + u64::from(counter(kind))).ok()
}

fn discount(dice: &mut Dice) -> Option<Discount> {
    let (code, kind) = match dice.below(100) {
        0..=9 => (Some("WELCOME10"), DiscountKind::Percent(10)),
        10..=15 => (Some("INKCLUB15"), DiscountKind::Percent(15)),
        16..=17 => (Some("FLASH33"), DiscountKind::Percent(33)),
        18..=22 => (Some("TAKE5"), DiscountKind::Fixed(500)),
        23..=24 => (Some("THANKYOU10"), DiscountKind::Fixed(1_000)),
        25..=29 => (Some("FREESHIP"), DiscountKind::FreeShipping),
        30..=34 => (None, DiscountKind::PercentOfFirstLine(20)),
        _ => return None,
    };
    Some(Discount { code, kind })
}

/// Shopify's split: percents round line by line; a fixed sum goes by gross, cut, the rest cent by cent from the first line.
fn discount_lines(lines: &mut [Line], kind: DiscountKind) {
    match kind {
        DiscountKind::Percent(percent) => {
            for line in lines {
                line.code_discount = round_share(line.gross(), percent, 100);
            }
        }
        DiscountKind::PercentOfFirstLine(percent) => {
            if let Some(line) = lines.first_mut() {
                line.line_discount = round_share(line.gross(), percent, 100);
            }
        }
        DiscountKind::Fixed(cents) => {
            let gross: i64 = lines.iter().map(Line::gross).sum();
            let total = cents.min(gross);
            for line in lines.iter_mut() {
                line.code_discount = total * line.gross() / gross.max(1);
            }
            let mut left = total - lines.iter().map(|line| line.code_discount).sum::<i64>();
            for line in lines.iter_mut() {
                if left > 0 && line.code_discount < line.gross() {
                    line.code_discount += 1;
                    left -= 1;
                }
            }
        }
        DiscountKind::FreeShipping => {}
    }
}

fn shipping(
    dice: &mut Dice,
    order: u32,
    destination: &Destination,
    lines: &[Line],
    discount: Option<Discount>,
    tax: Option<TaxRate>,
    is_edited: bool,
) -> Vec<ShippingLine> {
    let subtotal: i64 = lines.iter().map(Line::net).sum();
    let id = |position: u64| Shopify::ShippingLine.id(u64::from(order) * 2 + position);
    let (title, code, price) = match Zone::of(destination.country) {
        Zone::UnitedStates if dice.chance(400) => ("Express", "express", 1_499),
        Zone::UnitedStates if subtotal >= FREE_SHIPPING_FROM => ("Free shipping", "free", 0),
        Zone::UnitedStates => ("Standard", "standard", 599),
        Zone::Canada => ("Standard Canada", "standard-ca", 999),
        Zone::Europe => ("Standard Europe", "standard-eu", 1_299),
        Zone::Rest => ("Worldwide", "worldwide", 1_499),
    };
    let is_free = discount.is_some_and(|discount| discount.kind == DiscountKind::FreeShipping);
    let off = if is_free { price } else { 0 };
    let rate = tax.filter(|tax| tax.on_shipping).map_or(0, |tax| tax.rate_ppm);
    let live = ShippingLine {
        id: id(u64::from(is_edited)),
        title,
        code,
        is_removed: false,
        price,
        discount: off,
        tax: round_share(price - off, rate, 1_000_000),
    };
    let mut all = Vec::with_capacity(1);
    if is_edited {
        let removed = ShippingLine {
            id: id(0),
            title: "Standard",
            code: "standard",
            is_removed: true,
            price: 699,
            discount: 0,
            tax: 0,
        };
        all.push(removed);
    }
    all.push(live);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(position: u32, unit_price: i64, quantity: i64) -> Line {
        Line {
            id: 1,
            position,
            variant: position,
            quantity,
            unit_price,
            line_discount: 0,
            code_discount: 0,
            tax: 0,
            refunded_quantity: 0,
        }
    }

    #[test]
    fn a_percent_code_takes_the_golden_orders_cents() {
        let mut lines = [line(0, 4_900, 1), line(1, 2_500, 2)];
        discount_lines(&mut lines, DiscountKind::Percent(10));
        assert_eq!(lines.each_ref().map(Line::discount), [490, 500]);
    }

    #[test]
    fn a_fixed_code_is_split_to_the_cent() {
        let mut lines = [line(0, 333, 1), line(1, 333, 1), line(2, 334, 1)];
        discount_lines(&mut lines, DiscountKind::Fixed(500));
        assert_eq!(lines.iter().map(Line::discount).sum::<i64>(), 500);
        let mut cheap = [line(0, 300, 1)];
        discount_lines(&mut cheap, DiscountKind::Fixed(500));
        assert_eq!(cheap[0].net(), 0);
    }
}
