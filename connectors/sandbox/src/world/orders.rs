//! One order from its counter: buyer, basket, suppliers, ending, journey, cut at `as_of`.

use super::{
    World,
    basket::{Basket, Wish, basket},
    catalog::{Product, Variant},
    dice::{Dice, Purpose, index},
    facts::{Cancellation, Fulfillment, Gateway, Journey, Order, Refund, Transaction},
    fate::{REFUND_STRIDE, Sale, early_cancellation, ending, late_cancellation, mark_refunded},
    ids::{Shopify, Stripe},
    journey::{Route, journey, route},
    people::{Buyer, buyer, destination, device, traits},
    sourcing::{Job, parts, show},
    supply::Part,
};

/// Everything about an order but its texts.
#[derive(Debug)]
struct Story {
    buyer: Buyer,
    created_at: i64,
    processed_at: i64,
    basket: Basket,
    parts: Vec<Part>,
    cancelled: Option<Cancellation>,
    refunds: Vec<Refund>,
    route: Route,
}

impl World {
    /// The order with counter `i`, `None` if it is not visible yet.
    pub fn order(&self, i: u32) -> Option<Order> {
        (i < self.order_count()).then(|| self.tell(i, self.story(i)))
    }

    /// The counter of a numeric order id, if that order is visible.
    pub fn order_index(&self, id: u64) -> Option<u32> {
        let i = u32::try_from(Shopify::Order.counter(id)?).ok()?;
        (i < self.order_count()).then_some(i)
    }

    /// The counter of the order that a numeric Shopify refund id belongs to.
    pub fn order_index_of_refund(&self, id: u64) -> Option<u32> {
        let i = u32::try_from(Shopify::Refund.counter(id)? / REFUND_STRIDE).ok()?;
        (i < self.order_count()).then_some(i)
    }

    /// The product of an index, if it is on sale yet.
    pub fn product(&self, product: u32) -> Option<&Product> {
        self.catalog().product(product)
    }

    /// A variant and its product.
    pub fn variant(&self, key: u32) -> Option<(&Product, &Variant)> {
        let product = self.product(key / super::variants::VARIANT_STRIDE)?;
        let variant =
            product.variants.get(index(u64::from(key % super::variants::VARIANT_STRIDE)))?;
        Some((product, variant))
    }

    /// Supplier orders and refunds of order `i`, for the indexes.
    pub(crate) fn index_facts(&self, i: u32) -> (i64, Vec<Part>, Vec<Refund>, Gateway) {
        let story = self.story(i);
        let changed_at = self.changed_at(&story);
        let gateway = gateway(self.seed(), i, story.buyer);
        (changed_at, story.parts, story.refunds, gateway)
    }

    /// How order `i` was paid, and at what rate (basis points) if by card.
    pub(crate) fn payment(&self, i: u32) -> (Gateway, i64) {
        let buyer = buyer(self.seed(), i);
        let mut dice = Dice::new(self.seed(), Purpose::Payment, u64::from(i));
        let rate = if dice.chance(700) { 390 } else { 290 };
        (gateway(self.seed(), i, buyer), rate)
    }

    /// All of an order that is visible at `as_of`.
    fn story(&self, i: u32) -> Story {
        let (seed, as_of) = (self.seed(), self.as_of());
        let buyer = buyer(seed, i);
        let created_at = self.calendar().created_at(i);
        let mut dice = Dice::new(seed, Purpose::Moment, 1 << 42 | u64::from(i));
        let processed_at = created_at - dice.between(0, 59);
        let route = route(seed, self.ad_account(), i, processed_at, created_at);
        let (favourite, home) = match buyer.person {
            Some(person) => {
                let traits = traits(seed, person);
                (traits.favourite, traits.home)
            }
            None => (dice.position(10), destination(&mut dice)),
        };
        let advertised =
            route.ad().and_then(|ad| self.ads().get(index(u64::from(ad)))).map(|ad| ad.family);
        let wish = Wish { order: i, at: created_at, favourite, advertised, home };
        let mut basket = basket(seed, self.catalog(), &wish);
        if buyer.person.is_none() {
            // A test order: nothing is made, charged or given back.
            return Story {
                buyer,
                created_at,
                processed_at,
                basket,
                parts: Vec::new(),
                cancelled: None,
                refunds: Vec::new(),
                route,
            };
        }
        let (ending, mut fate) = ending(seed, i);
        let early = early_cancellation(ending, &mut fate, created_at);
        let job = Job {
            order: i,
            created_at,
            destination: &basket.destination,
            lines: &basket.lines,
            cancelled_at: early.map(|cancelled| cancelled.at),
        };
        let mut parts = parts(seed, self.catalog(), &job);
        let cancelled = early.or_else(|| late_cancellation(ending, &mut fate, created_at, &parts));
        let shipping = basket.shipping_lines.iter().find(|line| !line.is_removed);
        let sale = Sale { order: i, created_at, lines: &basket.lines, shipping, cancelled };
        let mut refunds = sale.refunds(ending, fate);
        refunds.retain(|refund| refund.created_at <= as_of && refund.cash() > 0);
        mark_refunded(&mut basket.lines, &refunds);
        let cancelled = cancelled.filter(|cancelled| cancelled.at <= as_of);
        show(&mut parts, as_of, cancelled);
        Story { buyer, created_at, processed_at, basket, parts, cancelled, refunds, route }
    }

    fn changed_at(&self, story: &Story) -> i64 {
        let as_of = self.as_of();
        let parts = story.parts.iter().filter(|part| !part.is_reprint);
        let shipped = parts.flat_map(|part| [part.fulfilled_at, part.delivered_at]);
        let others = [
            Some(story.created_at),
            Some(story.route.ready_at).filter(|at| *at <= as_of),
            story.cancelled.map(|cancelled| cancelled.at),
            story.refunds.iter().map(|refund| refund.created_at).max(),
        ];
        shipped.chain(others).flatten().max().unwrap_or(story.created_at)
    }

    fn tell(&self, i: u32, story: Story) -> Order {
        let seed = self.seed();
        let updated_at = self.changed_at(&story);
        let person = story.buyer.person;
        let marks = marks(seed, i, story.buyer);
        let gateway = gateway(seed, i, story.buyer);
        let fulfillments = fulfillments(i, &story.parts);
        let closed_at = story.cancelled.map(|cancelled| cancelled.at).or_else(|| {
            let made: usize = fulfillments.iter().map(|part| part.line_positions.len()).sum();
            let delivered = fulfillments.iter().map(|part| part.delivered_at).min().flatten();
            delivered
                .filter(|_| made == story.basket.lines.len())
                .and(fulfillments.iter().filter_map(|part| part.delivered_at).max())
        });
        let mut order = Order {
            index: i,
            id: Shopify::Order.id(u64::from(i)),
            number: 1_001 + i,
            created_at: story.created_at,
            processed_at: story.processed_at,
            updated_at,
            cancelled: story.cancelled,
            closed_at,
            is_test: person.is_none(),
            is_edited: story.basket.is_edited,
            person,
            customer: marks.customer,
            email_slot: marks.email_slot,
            device_id: person.zip(marks.device_slot).map(|(person, slot)| device(person, slot)),
            destination: story.basket.destination,
            lines: story.basket.lines,
            discount: story.basket.discount,
            shipping_lines: story.basket.shipping_lines,
            tax: story.basket.tax,
            refunds: story.refunds,
            gateway,
            transactions: Vec::new(),
            fulfillments,
            journey: self.journey(i, marks.customer, story.processed_at, &story.route),
            parts: story.parts,
        };
        order.transactions = transactions(&order);
        order
    }

    fn journey(&self, i: u32, customer: Option<u32>, processed_at: i64, route: &Route) -> Journey {
        let earlier = customer.map_or(0, |customer| {
            self.orders_of_customer(customer).take_while(|other| *other < i).count()
        });
        let earlier = u32::try_from(earlier).unwrap_or(0);
        journey(self.ad_account(), route, i, processed_at, self.as_of(), earlier)
    }
}

/// What a buyer leaves behind with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) customer: Option<u32>,
    pub(crate) email_slot: u8,
    /// `None` where the storefront noted no device.
    pub(crate) device_slot: Option<u8>,
}

pub(crate) fn marks(seed: u64, i: u32, buyer: Buyer) -> Marks {
    let Buyer { person, account } = buyer;
    let mut dice = Dice::new(seed, Purpose::Buyer, 1 << 42 | u64::from(i));
    let email_slot = match account {
        Some(account) => account,
        None => dice.pick(&[0, 2], 0),
    };
    let devices = person.map_or(1, |person| traits(seed, person).devices);
    let device_slot = u8::try_from(dice.below(u64::from(devices))).unwrap_or(0);
    Marks {
        customer: person.zip(account).map(|(person, account)| person * 2 + u32::from(account)),
        email_slot,
        device_slot: dice.chance(8_500).then_some(device_slot),
    }
}

fn gateway(seed: u64, i: u32, buyer: Buyer) -> Gateway {
    if buyer.person.is_none() {
        return Gateway::Bogus;
    }
    let mut dice = Dice::new(seed, Purpose::Payment, 1 << 42 | u64::from(i));
    if dice.chance(400) { Gateway::Paypal } else { Gateway::Stripe }
}

fn fulfillments(i: u32, parts: &[Part]) -> Vec<Fulfillment> {
    let made = parts.iter().filter(|part| !part.is_reprint);
    let shipped = made.filter_map(|part| {
        let created_at = part.fulfilled_at?;
        Some(Fulfillment {
            id: Shopify::Fulfillment.id(u64::from(i) * 4 + u64::from(part.number)),
            created_at,
            updated_at: part.delivered_at.unwrap_or(created_at),
            delivered_at: part.delivered_at,
            service: if part.is_printful { "Printful" } else { "Printify" },
            line_positions: part.lines.iter().map(|line| line.line_position).collect(),
        })
    });
    shipped.collect()
}

fn transactions(order: &Order) -> Vec<Transaction> {
    let base = u64::from(order.index) * (REFUND_STRIDE + 1);
    let sale = Transaction {
        id: Shopify::Transaction.id(base),
        kind: "SALE",
        amount: order.total_price(),
        processed_at: order.processed_at,
        parent_id: None,
        payment_id: (order.gateway == Gateway::Stripe)
            .then(|| Stripe::PaymentIntent.id(u64::from(order.index))),
    };
    let refunds = order.refunds.iter().map(|refund| Transaction {
        id: Shopify::Transaction.id(base + 1 + u64::from(refund.position)),
        kind: "REFUND",
        amount: refund.cash(),
        processed_at: refund.created_at,
        parent_id: Some(sale.id),
        payment_id: sale.payment_id.clone(),
    });
    let refunds: Vec<Transaction> = refunds.collect();
    std::iter::once(sale).chain(refunds).collect()
}
