//! People with a hidden favourite family, and the customer accounts, e-mails and devices they leave behind.

/// A customer account of the shop. A person may have two.
#[derive(Debug, Clone)]
pub struct Customer {
    /// `2 * person + account`.
    pub index: u32,
    pub id: u64,
    /// Never on the wire.
    pub person: u32,
    pub created_at: i64,
    pub updated_at: i64,
    pub first_name: &'static str,
    pub last_name: &'static str,
    pub email: String,
    pub phone: Option<String>,
    pub consent: Consent,
    pub consent_updated_at: Option<i64>,
    pub locale: &'static str,
    pub verified_email: bool,
    pub number_of_orders: u32,
    /// Paid less refunded, cents.
    pub amount_spent: i64,
    pub tags: Vec<&'static str>,
}

/// E-mail marketing state of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    Subscribed,
    Unsubscribed,
    NotSubscribed,
    Pending,
}

impl Consent {
    /// Shopify's text for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subscribed => "SUBSCRIBED",
            Self::Unsubscribed => "UNSUBSCRIBED",
            Self::NotSubscribed => "NOT_SUBSCRIBED",
            Self::Pending => "PENDING",
        }
    }
}

use super::{
    World,
    calendar::DAY,
    dice::{Dice, Purpose, counter, index},
    facts::{Destination, Order},
    ids::Shopify,
    supply::Recipient,
    tables::{FAMILIES, FIRST_NAMES, LAST_NAMES, PLACES},
};

/// New people among orders: 11 of 20 orders bring one.
const NEW_PEOPLE: u64 = 11;
const OF_ORDERS: u64 = 20;

/// Who placed an order, and as whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Buyer {
    /// `None`: a test order.
    pub(crate) person: Option<u32>,
    /// `None`: a guest.
    pub(crate) account: Option<u8>,
}

/// People seen up to and without order `i`.
const fn known_before(i: u32) -> u64 {
    (i as u64 * NEW_PEOPLE).div_ceil(OF_ORDERS)
}

/// How many people `orders` orders bring.
pub(crate) fn people_in(orders: u32) -> u32 {
    u32::try_from(known_before(orders)).unwrap_or(u32::MAX)
}

/// The buyer of order `i`.
pub(crate) fn buyer(seed: u64, i: u32) -> Buyer {
    let known = known_before(i);
    if known_before(i + 1) > known {
        return Buyer { person: u32::try_from(known).ok(), account: Some(0) };
    }
    let mut dice = Dice::new(seed, Purpose::Buyer, u64::from(i));
    if dice.chance(90) {
        return Buyer { person: None, account: None };
    }
    // Half of the returning buyers are recent ones; one in ten belongs to a small circle of regulars.
    let back = match dice.below(10) {
        0 => dice.below(known.div_ceil(12)) * 12,
        1..=5 => known - 1 - dice.below(known.div_ceil(8)),
        _ => dice.below(known),
    };
    let person = u32::try_from(back.min(known - 1)).unwrap_or(0);
    let account = if dice.chance(400) {
        None
    } else {
        Some(u8::from(traits(seed, person).has_second_account && dice.chance(4_500)))
    };
    Buyer { person: Some(person), account }
}

/// What never changes about a person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    /// Position in `FAMILIES`.
    pub(crate) favourite: usize,
    pub(crate) has_second_account: bool,
    pub(crate) has_phone: bool,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: &'static str,
    pub(crate) home: Destination,
    pub(crate) devices: u8,
}

/// The person behind a counter.
pub(crate) fn traits(seed: u64, person: u32) -> Traits {
    let mut dice = Dice::new(seed, Purpose::Person, u64::from(person));
    let favourite = dice.weighted(&FAMILIES.each_ref().map(|family| family.popularity));
    Traits {
        favourite,
        has_second_account: dice.chance(1_200),
        has_phone: dice.chance(5_500),
        first_name: dice.pick(&FIRST_NAMES, "Ada"),
        last_name: dice.pick(&LAST_NAMES, "Abbott"),
        home: destination(&mut dice),
        devices: u8::try_from(1 + dice.below(3)).unwrap_or(1),
    }
}

/// Any place, by population.
pub(crate) fn destination(dice: &mut Dice) -> Destination {
    let [first, ..] = &PLACES;
    let place =
        PLACES.get(dice.weighted(&PLACES.each_ref().map(|place| place.weight))).unwrap_or(first);
    Destination {
        country: place.country,
        province: place.province,
        city: place.city,
        zip_number: u32::try_from(10_000 + dice.below(89_999)).unwrap_or(10_000),
    }
}

/// One of the person's three addresses.
pub(crate) fn email(traits: &Traits, person: u32, slot: u8) -> String {
    let (first, last) = (traits.first_name.to_lowercase(), traits.last_name.to_lowercase());
    match slot {
        0 => format!("{first}.{last}{person}@example.com"),
        1 => format!("{first}{person}@example.org"),
        _ => format!("{person}.{last}@example.net"),
    }
}

/// One of the person's devices.
pub(crate) fn device(person: u32, slot: u8) -> String {
    format!("dev_{:016x}", super::dice::mix(u64::from(person) * 4 + u64::from(slot)))
}

fn phone(traits: &Traits, person: u32) -> Option<String> {
    traits.has_phone.then(|| format!("+1555{person:07}"))
}

/// A supplier's view of where an order goes.
pub(crate) fn recipient(seed: u64, order: &Order) -> Recipient {
    let person = order.person.unwrap_or(0);
    let traits = traits(seed, person);
    Recipient {
        first_name: traits.first_name.to_owned(),
        last_name: traits.last_name.to_owned(),
        email: email(&traits, person, order.email_slot),
        phone: phone(&traits, person),
        address1: format!("{} Juniper Street", 1 + person % 900),
        city: order.destination.city.to_owned(),
        region: order.destination.province.to_owned(),
        zip: order.destination.zip(),
        country: order.destination.country.to_owned(),
    }
}

/// When an account's consent was given, and when it was taken back.
#[derive(Debug, Clone, Copy)]
struct ConsentStory {
    first: Consent,
    /// Days from the account's first order to the change to `then`.
    change: Option<(i64, Consent)>,
}

fn consent_story(seed: u64, customer: u32) -> ConsentStory {
    let mut dice = Dice::new(seed, Purpose::Account, u64::from(customer));
    match dice.below(100) {
        0..=44 => ConsentStory { first: Consent::Subscribed, change: None },
        45..=56 => {
            let day = dice.between(3, 300);
            ConsentStory { first: Consent::Subscribed, change: Some((day, Consent::Unsubscribed)) }
        }
        57..=63 => {
            let day = dice.between(0, 40);
            ConsentStory { first: Consent::Pending, change: Some((day, Consent::Subscribed)) }
        }
        64..=66 => ConsentStory { first: Consent::Pending, change: None },
        67..=74 => {
            let day = dice.between(10, 200);
            ConsentStory { first: Consent::NotSubscribed, change: Some((day, Consent::Subscribed)) }
        }
        _ => ConsentStory { first: Consent::NotSubscribed, change: None },
    }
}

impl World {
    /// The person's favourite family: the truth that the warehouse has to guess.
    pub fn favourite_family(&self, person: u32) -> &'static str {
        let favourite = traits(self.seed(), person).favourite;
        FAMILIES.get(favourite).map_or("", |family| family.name)
    }

    /// The text of an e-mail address a person uses (slot 0 or 1 with an account, 2 as a guest).
    pub fn email(&self, person: u32, slot: u8) -> String {
        email(&traits(self.seed(), person), person, slot)
    }

    /// The text of a person's device.
    pub fn device(&self, person: u32, slot: u8) -> String {
        device(person, slot)
    }

    /// The visible orders of a person, oldest first, test orders not among them.
    pub fn orders_of_person(&self, person: u32) -> &[u32] {
        self.index().orders_of(person)
    }

    /// The numeric id of a customer index.
    pub fn customer_id(&self, customer: u32) -> u64 {
        Shopify::Customer.id(u64::from(customer))
    }

    /// The customer index of a numeric id, if that account is visible.
    pub fn customer_index(&self, id: u64) -> Option<u32> {
        let customer = u32::try_from(Shopify::Customer.counter(id)?).ok()?;
        self.orders_of_customer(customer).next().map(|_| customer)
    }

    /// Order indexes of one account, oldest first.
    pub(crate) fn orders_of_customer(&self, customer: u32) -> impl Iterator<Item = u32> + '_ {
        let account = u8::from(customer % 2 == 1);
        let seed = self.seed();
        let orders = self.orders_of_person(customer / 2).iter().copied();
        orders.filter(move |i| buyer(seed, *i).account == Some(account))
    }

    /// When the account's record last moved: its orders or its consent. `None` if it has no order yet.
    pub(crate) fn customer_updated_at(&self, customer: u32) -> Option<i64> {
        let first = self.orders_of_customer(customer).next()?;
        let created_at = self.calendar().created_at(first);
        let orders =
            self.orders_of_customer(customer).filter_map(|i| self.index().updated_at(i)).max();
        let consent = self.consent(customer, created_at).1;
        [Some(created_at), orders, consent].into_iter().flatten().max()
    }

    fn consent(&self, customer: u32, created_at: i64) -> (Consent, Option<i64>) {
        let story = consent_story(self.seed(), customer);
        if let Some((days, then)) = story.change {
            let at = created_at + days * DAY + 777;
            if at <= self.as_of() {
                return (then, Some(at));
            }
        }
        let known = story.first != Consent::NotSubscribed;
        (story.first, known.then_some(created_at))
    }

    /// A customer account, `None` if it has no visible order.
    pub fn customer(&self, customer: u32) -> Option<Customer> {
        let mut orders = self.orders_of_customer(customer).peekable();
        let first = *orders.peek()?;
        let created_at = self.calendar().created_at(first);
        let mut number_of_orders = 0;
        let mut amount_spent = 0;
        for order in orders.filter_map(|i| self.order(i)) {
            number_of_orders += 1;
            amount_spent += order.total_price() - order.total_refunded();
        }
        let person = customer / 2;
        let slot = u8::from(customer % 2 == 1);
        let traits = traits(self.seed(), person);
        let (consent, consent_updated_at) = self.consent(customer, created_at);
        let mut tags = Vec::new();
        if number_of_orders > 2 {
            tags.push("vip");
        }
        Some(Customer {
            index: customer,
            id: self.customer_id(customer),
            person,
            created_at,
            updated_at: self.customer_updated_at(customer).unwrap_or(created_at),
            first_name: traits.first_name,
            last_name: traits.last_name,
            email: email(&traits, person, slot),
            phone: phone(&traits, person),
            consent,
            consent_updated_at,
            locale: match traits.home.country {
                "DE" => "de",
                "FR" => "fr",
                "JP" => "ja",
                _ => "en",
            },
            verified_email: !person.is_multiple_of(9),
            number_of_orders,
            amount_spent,
            tags,
        })
    }
}

/// Orders by person: one flat list with offsets.
#[derive(Debug, Default)]
pub(crate) struct OrdersByPerson {
    offsets: Vec<u32>,
    orders: Vec<u32>,
}

impl OrdersByPerson {
    pub(crate) fn new(seed: u64, orders: u32) -> Self {
        let people = index(u64::from(people_in(orders)));
        let mut counts = vec![0_u32; people + 1];
        let buyers: Vec<u32> =
            (0..orders).map(|i| buyer(seed, i).person.unwrap_or(u32::MAX)).collect();
        for person in &buyers {
            if let Some(count) = counts.get_mut(index(u64::from(*person)) + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for count in &mut counts {
            total += *count;
            *count = total;
        }
        let mut next = counts.clone();
        let mut list = vec![0_u32; index(u64::from(total))];
        for (i, person) in buyers.iter().enumerate() {
            if let Some(place) = next.get_mut(index(u64::from(*person))) {
                if let Some(slot) = list.get_mut(index(u64::from(*place))) {
                    *slot = counter(i);
                }
                *place += 1;
            }
        }
        Self { offsets: counts, orders: list }
    }

    pub(crate) fn of(&self, person: u32) -> &[u32] {
        let person = index(u64::from(person));
        let start = self.offsets.get(person).copied().unwrap_or(0);
        let end = self.offsets.get(person + 1).copied().unwrap_or(start);
        self.orders.get(index(u64::from(start))..index(u64::from(end))).unwrap_or(&[])
    }

    pub(crate) fn people(&self) -> u32 {
        counter(self.offsets.len().saturating_sub(1))
    }
}
