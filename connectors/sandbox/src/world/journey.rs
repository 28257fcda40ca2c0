//! How buyers found the shop: the visits Shopify ties to an order, with their campaign parameters.
//!
//! Visits exist nowhere else. Shopify works them out hours later (`ready`), and the order's `updated_at` moves then.

use super::{
    AD_ZONE,
    ads::Ads,
    calendar::{DAY, HOUR, local_date},
    dice::{Dice, Purpose, index},
    facts::{Journey, Utm, Visit},
    ids::Shopify,
};

/// Where a visit came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// No visit is known.
    Unknown,
    Direct,
    Search,
    Email,
    /// Paid Meta ad, through Facebook or Instagram.
    PaidSocial {
        ad: u32,
        through_instagram: bool,
    },
    /// A link in the shop's own social profile.
    ProfileLink,
    Pinterest,
    Referral,
}

/// The way to one order.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) first: Channel,
    pub(crate) last: Channel,
    pub(crate) ready_at: i64,
    days: u32,
    moments: u32,
}

impl Route {
    /// The ad of the last visit.
    pub(crate) const fn ad(&self) -> Option<u32> {
        match self.last {
            Channel::PaidSocial { ad, .. } => Some(ad),
            _ => None,
        }
    }
}

/// The way to order `i`.
pub(crate) fn route(seed: u64, ads: &Ads, i: u32, processed_at: i64, created_at: i64) -> Route {
    let mut dice = Dice::new(seed, Purpose::Journey, u64::from(i));
    let last = channel(&mut dice, ads, processed_at);
    let moments = 1 + dice.weighted(&[55, 25, 12, 8]);
    let days = if moments == 1 { 0 } else { dice.below(29) };
    let first = if moments == 1 || last == Channel::Unknown {
        last
    } else {
        match channel(&mut dice, ads, processed_at - i64::try_from(days).unwrap_or(0) * DAY) {
            Channel::Unknown => Channel::Direct,
            channel => channel,
        }
    };
    Route {
        first,
        last,
        ready_at: created_at + dice.between(20 * 60, 26 * HOUR),
        days: u32::try_from(days).unwrap_or(0),
        moments: u32::try_from(moments).unwrap_or(1),
    }
}

fn channel(dice: &mut Dice, ads: &Ads, at: i64) -> Channel {
    match dice.below(100) {
        0..=9 => Channel::Unknown,
        10..=27 => Channel::Direct,
        28..=43 => Channel::Search,
        44..=60 => Channel::Email,
        61..=88 => {
            let through_instagram = dice.chance(5_500);
            ads.clicked(dice, local_date(at, AD_ZONE))
                .map_or(Channel::Direct, |ad| Channel::PaidSocial { ad, through_instagram })
        }
        89..=92 => Channel::ProfileLink,
        93..=96 => Channel::Pinterest,
        _ => Channel::Referral,
    }
}

/// What Shopify shows of a route at `as_of`.
pub(crate) fn journey(
    ads: &Ads,
    route: &Route,
    i: u32,
    processed_at: i64,
    as_of: i64,
    customer_order_index: u32,
) -> Journey {
    if as_of < route.ready_at {
        return Journey {
            ready: false,
            customer_order_index,
            moments: 0,
            days_to_conversion: 0,
            first_visit: None,
            last_visit: None,
        };
    }
    let back = i64::from(route.days) * DAY;
    Journey {
        ready: true,
        customer_order_index,
        moments: if route.last == Channel::Unknown { 0 } else { route.moments },
        days_to_conversion: route.days,
        first_visit: visit(ads, route.first, u64::from(i) * 2, processed_at - back - 1_300),
        last_visit: visit(
            ads,
            route.last,
            u64::from(i) * 2 + u64::from(route.moments > 1),
            processed_at - 900,
        ),
    }
}

fn visit(ads: &Ads, channel: Channel, counter: u64, occurred_at: i64) -> Option<Visit> {
    let utm = |source, medium, campaign: &str, content: Option<String>, ad| {
        Some(Utm { source, medium, campaign: campaign.to_owned(), content, term: None, ad })
    };
    let (source, source_type, referrer_url, utm) = match channel {
        Channel::Unknown => return None,
        Channel::Direct => ("direct", None, None, None),
        Channel::Search => ("Google", Some("SEO"), Some("https://www.google.com/"), None),
        Channel::Email => {
            ("email", Some("NEWSLETTER"), None, utm("klaviyo", "email", "weekly-drop", None, None))
        }
        Channel::PaidSocial { ad, through_instagram } => {
            let ad = ads.all.get(index(u64::from(ad)))?;
            let (name, site, source) = if through_instagram {
                ("Instagram", "https://l.instagram.com/", "instagram")
            } else {
                ("Facebook", "https://l.facebook.com/", "facebook")
            };
            let utm = utm(
                source,
                "paid_social",
                &ad.campaign_slug,
                Some(ad.id.to_string()),
                Some(ad.index),
            );
            (name, Some("AD"), Some(site), utm)
        }
        Channel::ProfileLink => {
            let utm = utm("instagram", "social", "profile", Some("link_in_bio".to_owned()), None);
            ("Instagram", Some("POST"), Some("https://l.instagram.com/"), utm)
        }
        Channel::Pinterest => {
            let utm =
                utm("pinterest", "paid_social", "pins", Some("549755885175".to_owned()), None);
            ("Pinterest", Some("AD"), Some("https://www.pinterest.com/"), utm)
        }
        Channel::Referral => {
            ("blog.example.com", Some("LINK"), Some("https://blog.example.com/best-mugs"), None)
        }
    };
    let landing_page = match &utm {
        Some(utm) => {
            let content = utm
                .content
                .as_ref()
                .map_or(String::new(), |content| format!("&utm_content={content}"));
            format!(
                "/collections/all?utm_source={}&utm_medium={}&utm_campaign={}{content}",
                utm.source, utm.medium, utm.campaign
            )
        }
        None => "/".to_owned(),
    };
    Some(Visit {
        id: Shopify::Visit.id(counter),
        occurred_at,
        source,
        source_type,
        referrer_url,
        landing_page,
        utm,
    })
}
