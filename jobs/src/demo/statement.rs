//! What the demo prints of its night: rows, models, profit and loss, exports, time and memory.

use std::time::Duration;

use sandbox::Running;
use warehouse::{CheckStatus, ModelStatus};

use super::landed;
use crate::{
    failure::Failure,
    output,
    quantity::{Grouped, counted, shown, shown_bytes},
    report::{self, Printer},
    run::{self, House, RunReport},
};

/// The columns of both queries below: ledger signs, costs are negative.
const FAMILIES: &str = "\
select
    design_family as name,
    sum(order_count) as orders,
    sum(unit_count) as units,
    cast(sum(net_revenue_amount) as decimal(18, 2)) as net_revenue,
    cast(sum(base_cost_amount + supplier_discount_amount + supplier_fee_amount) as decimal(18, 2)) as product,
    cast(sum(shipping_cost_amount + supplier_tax_amount) as decimal(18, 2)) as shipping,
    cast(sum(payment_fee_amount) as decimal(18, 2)) as fees,
    cast(sum(ad_spend_amount) as decimal(18, 2)) as ads,
    cast(sum(cm2_amount) as decimal(18, 2)) as cm2,
    cast(sum(cm3_amount) as decimal(18, 2)) as cm3
from agg_design_family_daily
group by design_family
order by sum(cm3_amount) desc";
/// Orders hold designs of several families, so the total is counted and not added.
const TOTAL: &str = "\
select
    'total' as name,
    count(distinct order_id) as orders,
    sum(quantity) as units,
    cast(sum(net_revenue_amount) as decimal(18, 2)) as net_revenue,
    cast(sum(base_cost_amount + supplier_discount_amount + supplier_fee_amount) as decimal(18, 2)) as product,
    cast(sum(shipping_cost_amount + supplier_tax_amount) as decimal(18, 2)) as shipping,
    cast(sum(payment_fee_amount) as decimal(18, 2)) as fees,
    cast(sum(ad_spend_amount) as decimal(18, 2)) as ads,
    cast(sum(cm2_amount) as decimal(18, 2)) as cm2,
    cast(sum(cm3_amount) as decimal(18, 2)) as cm3
from fct_order_lines";
const UNATTRIBUTED: &str = "\
select
    source_system,
    component,
    unattributed_reason,
    count(*) as documents,
    cast(sum(margin_amount) as decimal(18, 2)) as amount
from fct_unattributed_costs
where margin_amount <> 0
group by source_system, component, unattributed_reason
order by source_system, component, unattributed_reason";
const NET_REVENUE: usize = 3;
const CM3: usize = 9;

pub(super) async fn print(
    house: &House,
    night: &RunReport,
    running: &Running,
) -> Result<(), Failure> {
    let printer = &house.printer;
    printer.result("\nrows by stream");
    printer.result(report::table(&["stream", "rows", "pages", "time"], &[1, 2, 3], landed(night)));

    let (models, checks, warned) = models(night);
    printer.result("\nmodels and checks");
    printer.result(report::table(&["layer", "models", "rows", "checks"], &[1, 2, 3], models));
    printer.result(format_args!(
        "{}, {warned} of them warned, none failed; {}",
        counted(checks, "check"),
        night
            .builds
            .iter()
            .filter_map(|built| built.report.as_ref()?.release)
            .next_back()
            .map_or_else(|| "no release".to_owned(), |number| format!("release {number}"))
    ));

    printer.result("\nprofit and loss by design family (USD; costs are negative)");
    let mut rows = output::rows(house, FAMILIES).await?;
    rows.extend(output::rows(house, TOTAL).await?);
    printer.event("profit_and_loss", serde_json::json!({ "rows": rows }));
    let header = [
        "family",
        "orders",
        "units",
        "net revenue",
        "product",
        "shipping",
        "fees",
        "ads",
        "CM2",
        "CM3",
        "CM3 %",
    ];
    let rows = rows.into_iter().map(|row| {
        let share = share(row.get(CM3), row.get(NET_REVENUE));
        row.iter().map(|text| grouped(text)).chain([share]).collect()
    });
    printer.result(report::table(&header, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], rows));

    printer.result("\ncosts that belong to no order line");
    let rows = output::rows(house, UNATTRIBUTED).await?;
    printer.event("unattributed", serde_json::json!({ "rows": rows }));
    let rows = rows.into_iter().map(|row| row.iter().map(|text| grouped(text)).collect());
    let header = ["source", "component", "reason", "documents", "amount"];
    printer.result(report::table(&header, &[3, 4], rows));

    printer.result("\nexported");
    for export in &night.exports {
        printer.result(run::export_line(export));
    }
    printer.result(format_args!(
        "the shop's e-mail tool now holds {}",
        counted(u64::try_from(running.klaviyo_profile_count()).unwrap_or(u64::MAX), "profile")
    ));
    Ok(())
}

/// A row a layer (models, rows, checks), all checks, and how many of them only warned.
fn models(night: &RunReport) -> (Vec<Vec<String>>, u64, u64) {
    const LAYERS: [(&str, &[&str]); 4] = [
        ("staging", &["stg_"]),
        ("intermediate", &["int_"]),
        ("marts", &["dim_", "fct_", "agg_", "seg_"]),
        ("exports", &[""]),
    ];
    let mut counts = [[0_u64; 3]; 4];
    let (mut checks, mut warned) = (0, 0);
    for model in
        night.builds.iter().filter_map(|built| built.report.as_ref()).flat_map(|r| &r.models)
    {
        if model.status != ModelStatus::Built {
            continue;
        }
        let made = u64::try_from(model.checks.len()).unwrap_or(u64::MAX);
        checks += made;
        let warnings = model.checks.iter().filter(|c| c.status == CheckStatus::Warned).count();
        warned += u64::try_from(warnings).unwrap_or(u64::MAX);
        let layer =
            LAYERS.iter().position(|(_, starts)| starts.iter().any(|s| model.name.starts_with(s)));
        if let Some(count) = layer.and_then(|layer| counts.get_mut(layer)) {
            let [models, rows, layer_checks] = count;
            *models += 1;
            *rows += model.rows;
            *layer_checks += made;
        }
    }
    let rows = LAYERS
        .iter()
        .zip(counts)
        .filter(|(_, [models, ..])| *models > 0)
        .map(|((layer, _), count)| {
            std::iter::once((*layer).to_owned())
                .chain(count.map(|number| Grouped(number).to_string()))
                .collect()
        })
        .collect();
    (rows, checks, warned)
}

/// `-12,345.60` of `-12345.60`; anything that is no number stays.
fn grouped(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, format!(".{fraction}")),
        None => (digits, String::new()),
    };
    match whole.parse::<u64>() {
        Ok(number) => format!("{sign}{}{fraction}", Grouped(number)),
        Err(_) => text.to_owned(),
    }
}

/// The share of `part` in `whole` in percent with one digit, by exact decimals.
fn share(part: Option<&String>, whole: Option<&String>) -> String {
    let number = |text: Option<&String>| text?.parse::<rust_decimal::Decimal>().ok();
    let percent = number(part).zip(number(whole)).and_then(|(part, whole)| {
        part.checked_mul(rust_decimal::Decimal::ONE_HUNDRED)?.checked_div(whole)
    });
    percent.map_or_else(|| "-".to_owned(), |percent| format!("{:.1}", percent.round_dp(1)))
}

pub(super) fn print_phases(printer: &Printer, phases: &[(&str, Duration)]) {
    let all: Duration = phases.iter().map(|(_, time)| *time).sum();
    let times: Vec<String> =
        phases.iter().map(|(name, time)| format!("{name} {}", shown(*time))).collect();
    let memory = peak_memory();
    let peak = memory.map_or_else(|| "unknown".to_owned(), shown_bytes);
    printer.result(format_args!(
        "\ntime: {} ({}); peak memory: {peak}",
        shown(all),
        times.join(", ")
    ));
    let milliseconds = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let fields: serde_json::Map<String, serde_json::Value> =
        phases.iter().map(|(name, time)| ((*name).to_owned(), milliseconds(time).into())).collect();
    printer
        .event("cost", serde_json::json!({ "milliseconds": fields, "peak_memory_bytes": memory }));
}

/// The most memory that this process ever held, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_and_shares_are_exact() {
        assert_eq!(grouped("-1234567.80"), "-1,234,567.80");
        assert_eq!(grouped("goth"), "goth");
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(share(text("33.30").as_ref(), text("100.00").as_ref()), "33.3");
        assert_eq!(share(text("-1.00").as_ref(), text("3.00").as_ref()), "-33.3");
        assert_eq!(share(text("1.00").as_ref(), text("0.00").as_ref()), "-");
    }
}
