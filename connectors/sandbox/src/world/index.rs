//! The sorted lists kept in memory: 8 bytes an entry, built in parallel when a world is made.

use std::thread;

use super::{
    World,
    dice::{counter, index, stamp},
    facts::Gateway,
    people::OrdersByPerson,
    vendors::{HOUSE, PART_STRIDE},
};

/// (time, counter), sorted.
type Entries = Vec<(u32, u32)>;

#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) people: OrdersByPerson,
    /// Last change by order.
    changes: Vec<u32>,
    pub(crate) orders: Entries,
    pub(crate) customers: Entries,
    pub(crate) products: Entries,
    /// By creation: Printify order codes.
    pub(crate) printify: Entries,
    /// By creation: Printful order codes.
    pub(crate) printful: Entries,
    /// By creation: refunds at Stripe.
    pub(crate) refunds: Entries,
}

impl Index {
    pub(crate) fn orders_of(&self, person: u32) -> &[u32] {
        self.people.of(person)
    }

    pub(crate) fn people(&self) -> u32 {
        self.people.people()
    }

    /// When order `i` last changed.
    pub(crate) fn updated_at(&self, i: u32) -> Option<i64> {
        self.changes.get(index(u64::from(i))).map(|at| i64::from(*at))
    }

    /// All but the customers, which need these lists.
    pub(crate) fn of_orders(world: &World) -> Self {
        let workers =
            u32::try_from(thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
        let count = world.order_count();
        let step = count.div_ceil(workers).max(1);
        let ranges: Vec<_> =
            (0..workers).map(|at| (at * step).min(count)..((at + 1) * step).min(count)).collect();
        let (people, slices) = thread::scope(|scope| {
            let workers: Vec<_> =
                ranges.into_iter().map(|range| scope.spawn(|| slice(world, range))).collect();
            let people = OrdersByPerson::new(world.seed(), count);
            (
                people,
                workers.into_iter().filter_map(|worker| worker.join().ok()).collect::<Vec<_>>(),
            )
        });
        let mut all = Self { people, ..Self::default() };
        for slice in slices {
            all.changes.extend(slice.changes);
            all.printify.extend(slice.printify);
            all.printful.extend(slice.printful);
            all.refunds.extend(slice.refunds);
        }
        all.orders = all.changes.iter().enumerate().map(|(i, at)| (*at, counter(i))).collect();
        all.products = world
            .products()
            .iter()
            .map(|product| (stamp(product.updated_at), product.index))
            .collect();
        for (is_printful, list) in [(false, &mut all.printify), (true, &mut all.printful)] {
            list.extend(
                world
                    .house_orders(is_printful)
                    .map(|house| (stamp(house.part.created_at), HOUSE | house.number)),
            );
        }
        for list in [
            &mut all.orders,
            &mut all.products,
            &mut all.printify,
            &mut all.printful,
            &mut all.refunds,
        ] {
            list.sort_unstable();
            list.shrink_to_fit();
        }
        all
    }

    /// The customers' list, from a world whose other lists are there.
    pub(crate) fn customers_of(world: &World) -> Entries {
        let customers = 0..world.index().people() * 2;
        let mut list: Entries = customers
            .filter_map(|customer| Some((stamp(world.customer_updated_at(customer)?), customer)))
            .collect();
        list.sort_unstable();
        list.shrink_to_fit();
        list
    }
}

#[derive(Default)]
struct Slice {
    changes: Vec<u32>,
    printify: Entries,
    printful: Entries,
    refunds: Entries,
}

fn slice(world: &World, orders: std::ops::Range<u32>) -> Slice {
    let mut slice = Slice::default();
    for i in orders {
        let (changed_at, parts, refunds, gateway) = world.index_facts(i);
        slice.changes.push(stamp(changed_at));
        for part in &parts {
            let created = stamp(part.created_at);
            if part.is_printful {
                slice.printful.push((created, i));
            } else {
                slice.printify.push((created, i * PART_STRIDE + u32::from(part.number)));
            }
        }
        if gateway == Gateway::Stripe {
            slice.refunds.extend(World::refund_entries(i, &refunds));
        }
    }
    slice
}

/// Entries of `from <= time < to`, after the entry `after`, at most `limit`.
pub(crate) fn window(
    list: &[(u32, u32)],
    from: i64,
    to: i64,
    after: Option<(i64, u32)>,
    limit: usize,
) -> Vec<(i64, u32)> {
    let start = list.partition_point(|(at, _)| i64::from(*at) < from);
    let start = match after {
        Some(after) => {
            start.max(list.partition_point(|(at, counter)| (i64::from(*at), *counter) <= after))
        }
        None => start,
    };
    let rows = list.iter().skip(start).map(|(at, counter)| (i64::from(*at), *counter));
    rows.take_while(|(at, _)| *at < to).take(limit).collect()
}
