//! Meta's side: campaigns, ads, and what each ad spent on each day of the ad account's zone.
//!
//! A day is shown once it is over; in its first three days the spend is still provisional, and a few ad-days vanish.

use chrono::NaiveDate;

/// One ad. Its campaign and ad set are named here too.
#[derive(Debug, Clone)]
pub struct Ad {
    pub index: u32,
    pub id: u64,
    pub name: String,
    pub adset_id: u64,
    pub adset_name: String,
    pub campaign_id: u64,
    pub campaign_name: String,
    /// Text for `utm_campaign`.
    pub campaign_slug: String,
    /// Family it advertises, as a position in `FAMILIES`.
    pub family: usize,
    /// First day of delivery.
    pub first_day: NaiveDate,
    /// Last day of delivery.
    pub last_day: NaiveDate,
}

/// What one ad did on one day, as Meta reports it at `as_of`.
#[derive(Debug, Clone)]
pub struct AdDay {
    pub ad: u32,
    pub date: NaiveDate,
    pub spend: i64,
    pub impressions: i64,
    pub reach: i64,
    pub clicks: i64,
    pub inline_link_clicks: i64,
    /// Purchases Meta claims (not the shop's truth).
    pub purchases: i64,
    /// Their value, cents.
    pub purchase_value: i64,
}

use super::{
    AD_ZONE, World,
    calendar::{curve_days, day_date, day_number, local_date},
    dice::{Dice, Purpose, counter, index, signed},
    ids::meta_id,
    tables::FAMILIES,
};

/// Days after which an ad-day no longer changes.
const RESTATED_FOR: i64 = 3;
/// Mean days of delivery of an ad.
const MEAN_FLIGHT: i64 = 260;

/// All ads, and who was delivering when.
#[derive(Debug)]
pub(crate) struct Ads {
    pub(crate) all: Vec<Ad>,
    /// Usual spend of one ad on one day, cents.
    usual: i64,
}

impl Ads {
    pub(crate) fn new(seed: u64, orders: u32) -> Self {
        let count = 10 + u64::from(orders.isqrt() / 8).min(120);
        let curve = signed(u64::from(counter(curve_days())));
        let all: Vec<Ad> = (0..count).map(|n| ad(seed, n, count, curve)).collect();
        // About 8.25 USD of ads per order, spread over the ads delivering on a day.
        let delivering = signed(count) * MEAN_FLIGHT * 1_000 / curve;
        let usual = i64::from(orders) * 825 * 1_000 / 730 / delivering.max(1);
        Self { all, usual: usual.max(250) }
    }

    /// Ads whose flight holds `day`.
    fn flying(&self, date: NaiveDate) -> impl Iterator<Item = &Ad> {
        self.all.iter().filter(move |ad| ad.first_day <= date && date <= ad.last_day)
    }

    /// The ad a visitor of that day came from: mostly one that was delivering, sometimes any.
    pub(crate) fn clicked(&self, dice: &mut Dice, date: NaiveDate) -> Option<u32> {
        if dice.chance(1_200) {
            return self.all.get(dice.position(self.all.len())).map(|ad| ad.index);
        }
        let count = self.flying(date).count();
        self.flying(date).nth(dice.position(count.max(1))).map(|ad| ad.index)
    }

    /// What Meta says about an ad and a day, `age` days after it; `None` without delivery.
    fn day(&self, seed: u64, ad: &Ad, date: NaiveDate, age: i64) -> Option<AdDay> {
        if age < 1 || date < ad.first_day || date > ad.last_day {
            return None;
        }
        let place = u64::try_from(day_number(date)).ok()? * 1_000 + u64::from(ad.index);
        let mut dice = Dice::new(seed, Purpose::AdDay, place);
        if dice.chance(700) {
            return None;
        }
        let settled = self.usual * dice.between(35, 180) / 100;
        let is_void = dice.chance(120);
        let is_restated = dice.chance(6_000);
        let impressions = settled * dice.between(60, 110) / 100 + 40;
        let clicks = impressions * dice.between(8, 30) / 1_000;
        let purchases = clicks * dice.between(0, 40) / 1_000;
        let purchase_value = purchases * dice.between(3_000, 8_000);
        let provisional = age <= RESTATED_FOR;
        let spend = match (is_void, provisional) {
            // Invalid traffic: shown at first, taken back with its row.
            (true, true) => settled / 10 + 1,
            (true, false) => return None,
            (false, true) if is_restated => {
                settled * (10_000 + dice.between(-900, 900) / age) / 10_000
            }
            (false, _) => settled,
        };
        Some(AdDay {
            ad: ad.index,
            date,
            spend,
            impressions,
            reach: impressions * 4 / 5,
            clicks,
            inline_link_clicks: clicks * 7 / 10,
            purchases,
            purchase_value,
        })
    }
}

fn ad(seed: u64, n: u64, count: u64, curve: i64) -> Ad {
    let mut dice = Dice::new(seed, Purpose::Ad, n);
    // Starts are spread evenly, so that no week is without an ad.
    let step = (curve + 200) / signed(count).max(1);
    let start = signed(n) * step - 200 + dice.between(0, step.max(1));
    let length = dice.between(MEAN_FLIGHT - 140, MEAN_FLIGHT + 140);
    let family = dice.weighted(&FAMILIES.each_ref().map(|family| family.popularity));
    let name = FAMILIES.get(family).map_or("", |family| family.name);
    let (goal, audience) = dice.pick(
        &[("prospecting", "broad"), ("prospecting", "lookalike"), ("retargeting", "visitors-30d")],
        ("prospecting", "broad"),
    );
    let campaign = u64::from(counter(family)) * 2 + u64::from(goal == "retargeting");
    let adset = campaign * 2 + u64::from(audience == "lookalike");
    Ad {
        index: u32::try_from(n).unwrap_or(0),
        id: meta_id(3, n),
        name: format!("{name} {} {}", dice.pick(&["video", "carousel", "still"], "still"), n + 1),
        adset_id: meta_id(2, adset),
        adset_name: format!("{name} | {audience}"),
        campaign_id: meta_id(1, campaign),
        campaign_name: format!("{name} | {goal}"),
        campaign_slug: format!("{name}-{goal}"),
        family,
        first_day: day_date(start),
        last_day: day_date(start + length),
    }
}

impl World {
    /// Every ad there ever is, by index.
    pub fn ads(&self) -> &[Ad] {
        &self.ad_account().all
    }

    /// The ad with this Meta id.
    pub fn ad_of(&self, id: u64) -> Option<&Ad> {
        self.ads().iter().find(|ad| ad.id == id)
    }

    /// Ad-days of one day in order of ad index; empty when the day is not over in the ad account's zone.
    pub fn insights(&self, date: NaiveDate) -> Vec<AdDay> {
        let age = local_date(self.as_of(), AD_ZONE).signed_duration_since(date).num_days();
        if day_number(date) < 0 {
            return Vec::new();
        }
        let account = self.ad_account();
        account.flying(date).filter_map(|ad| account.day(self.seed(), ad, date, age)).collect()
    }

    /// What one ad did on one day, if it delivered.
    pub fn insight(&self, ad: u32, date: NaiveDate) -> Option<AdDay> {
        let age = local_date(self.as_of(), AD_ZONE).signed_duration_since(date).num_days();
        let account = self.ad_account();
        let ad = account.all.get(index(u64::from(ad)))?;
        account.day(self.seed(), ad, date, age)
    }

    /// First and last day that may have ad-days: 2024-11-01, and yesterday in the ad account's zone.
    pub fn insight_days(&self) -> (NaiveDate, NaiveDate) {
        let today = local_date(self.as_of(), AD_ZONE);
        (day_date(0), today.pred_opt().unwrap_or(today))
    }
}
