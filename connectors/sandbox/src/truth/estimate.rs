//! What a line will cost when Printify has not said yet: today's price list and the shipping rule.

use std::collections::HashMap;

use crate::{
    World,
    world::{catalog::ShippingProfile, facts::Order},
};

/// What the price lists say about a sku.
#[derive(Debug, Clone, Copy)]
struct Listed {
    unit_cost: i64,
    blueprint_id: u32,
    provider: u32,
    variant_id: u32,
}

/// Printify's lists by sku.
#[derive(Debug)]
pub(crate) struct PriceLists<'w> {
    world: &'w World,
    by_sku: HashMap<&'w str, Listed>,
}

/// A line to be shipped by one print provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) line_id: u64,
    pub(crate) provider: u32,
    pub(crate) quantity: i64,
    pub(crate) first_item: i64,
    pub(crate) additional_item: i64,
}

/// (line id, base cost, shipping cost), positive cents.
pub(crate) type Estimate = (u64, i64, i64);

/// Shipping of each parcel, in order: per provider the dearest first item is paid once, by its line (smallest id
/// on a tie); every other unit pays its additional item.
pub(crate) fn ship(parcels: &[Parcel]) -> Vec<i64> {
    let sets_first = |parcel: &Parcel| {
        let rivals = parcels.iter().filter(|other| other.provider == parcel.provider);
        let winner =
            rivals.max_by(|a, b| a.first_item.cmp(&b.first_item).then(b.line_id.cmp(&a.line_id)));
        winner.is_some_and(|winner| winner.line_id == parcel.line_id)
    };
    let costs = parcels.iter().map(|parcel| {
        if sets_first(parcel) {
            parcel.first_item + (parcel.quantity - 1) * parcel.additional_item
        } else {
            parcel.quantity * parcel.additional_item
        }
    });
    costs.collect()
}

impl<'w> PriceLists<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        let mut by_sku = HashMap::new();
        for product in world.printify_products() {
            for variant in &product.variants {
                let listed = Listed {
                    unit_cost: variant.cost,
                    blueprint_id: product.blueprint_id,
                    provider: product.print_provider_id,
                    variant_id: variant.id,
                };
                by_sku.insert(variant.sku.as_str(), listed);
            }
        }
        Self { world, by_sku }
    }

    fn profile(&self, listed: &Listed, country: &str) -> Option<&'w ShippingProfile> {
        let profiles =
            &self.world.printify_shipping(listed.blueprint_id, listed.provider)?.profiles;
        let fitting =
            || profiles.iter().filter(|profile| profile.variant_ids.contains(&listed.variant_id));
        fitting()
            .find(|profile| profile.countries.contains(&country))
            .or_else(|| fitting().find(|profile| profile.countries.contains(&"REST_OF_THE_WORLD")))
    }

    /// Estimates for the lines at these positions of an order.
    pub(crate) fn estimate(&self, order: &Order, positions: &[u32]) -> Vec<Estimate> {
        let mut parcels = Vec::new();
        let mut bases = Vec::new();
        for line in order.lines.iter().filter(|line| positions.contains(&line.position)) {
            let Some((_, variant)) = self.world.variant(line.variant) else { continue };
            let Some(listed) = self.by_sku.get(variant.sku.as_str()) else { continue };
            let Some(profile) = self.profile(listed, order.destination.country) else { continue };
            bases.push(listed.unit_cost * line.quantity);
            parcels.push(Parcel {
                line_id: line.id,
                provider: listed.provider,
                quantity: line.quantity,
                first_item: profile.first_item,
                additional_item: profile.additional_items,
            });
        }
        let shipping = ship(&parcels);
        parcels
            .iter()
            .zip(bases)
            .zip(shipping)
            .map(|((parcel, base), shipping)| (parcel.line_id, base, shipping))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(
        line_id: u64,
        provider: u32,
        quantity: i64,
        first_item: i64,
        additional_item: i64,
    ) -> Parcel {
        Parcel { line_id, provider, quantity, first_item, additional_item }
    }

    #[test]
    fn the_golden_order_ships_for_its_published_cents() {
        let hoodie = parcel(1, 29, 1, 849, 229);
        assert_eq!(ship(&[hoodie, parcel(2, 29, 2, 475, 240)]), [849, 480]);
        assert_eq!(ship(&[hoodie, parcel(2, 39, 2, 475, 240)]), [849, 715]);
    }

    #[test]
    fn on_a_tie_the_smallest_line_pays_first() {
        assert_eq!(ship(&[parcel(8, 29, 1, 475, 240), parcel(7, 29, 3, 475, 240)]), [240, 955]);
    }
}
