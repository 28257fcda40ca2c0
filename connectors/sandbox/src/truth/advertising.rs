//! Ad spend by order: an ad's spend on a day, split over the orders that came from it on that day.

use chrono::NaiveDate;

use super::allocation::{Claim, allocate};
use crate::{
    World,
    world::{AD_ZONE, facts::Order},
};

/// Days times this, plus the ad: one number for an ad-day.
const ADS: u32 = 1_000;

/// Every order's share of ad spend, and the ad-days nobody came from.
#[derive(Debug, Default)]
pub(crate) struct AdShares {
    /// (order index, cents), by order.
    shares: Vec<(u32, i64)>,
    /// (document id, cents).
    pub(crate) unattributed: Vec<(String, i64)>,
}

/// The ad-day an order belongs to: the last visit's ad, on the ad account's date of the payment.
pub(crate) fn ad_day(order: &Order) -> Option<(NaiveDate, u32)> {
    if order.is_test {
        return None;
    }
    let utm = order.journey.last_visit.as_ref()?.utm.as_ref()?;
    if !matches!(utm.source, "facebook" | "instagram") {
        return None;
    }
    let paid = chrono::DateTime::from_timestamp(order.processed_at, 0)?;
    Some((paid.with_timezone(&AD_ZONE).date_naive(), utm.ad?))
}

/// The compact number of an ad-day.
pub(crate) fn ad_day_number(first: NaiveDate, (date, ad): (NaiveDate, u32)) -> Option<u32> {
    let days = u32::try_from(date.signed_duration_since(first).num_days()).ok()?;
    days.checked_mul(ADS)?.checked_add(ad)
}

impl AdShares {
    /// `visits` holds (ad-day number, order index) of every order with an ad.
    pub(crate) fn new(world: &World, mut visits: Vec<(u32, u32)>) -> Self {
        visits.sort_unstable();
        let mut all = Self::default();
        let (first, last) = world.insight_days();
        for row in
            first.iter_days().take_while(|date| *date <= last).flat_map(|date| world.insights(date))
        {
            let Some(number) = ad_day_number(first, (row.date, row.ad)) else { continue };
            let start = visits.partition_point(|(other, _)| *other < number);
            let buyers = visits.iter().skip(start).take_while(|(other, _)| *other == number);
            let claims: Vec<Claim> =
                buyers.map(|(_, order)| Claim { key: u64::from(*order), weight: 1 }).collect();
            if claims.is_empty() {
                let ad = world.ads().iter().find(|ad| ad.index == row.ad).map_or(0, |ad| ad.id);
                all.unattributed.push((format!("{ad}:{}", row.date), row.spend));
                continue;
            }
            let shares = allocate(row.spend, &claims);
            all.shares.extend(
                claims
                    .iter()
                    .zip(shares)
                    .filter_map(|(claim, cents)| Some((u32::try_from(claim.key).ok()?, cents))),
            );
        }
        all.shares.sort_unstable();
        all
    }

    /// The ad spend of one order.
    pub(crate) fn of(&self, order: u32) -> i64 {
        let at = self.shares.binary_search_by_key(&order, |(other, _)| *other);
        at.ok().and_then(|at| self.shares.get(at)).map_or(0, |(_, cents)| *cents)
    }
}
