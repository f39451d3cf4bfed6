//! `deal`: the dealer of a deployment.

use crate::args::Shared;
use crate::config::read_dealer;
use crate::failure::Failure;
use crate::output;
use crate::party::{LISTENING, device_line};
use crate::report::RoleJson;
use crate::table::{bytes, seconds};
use serde::Serialize;
use std::path::Path;
use symbolon::protocol::Protocol;
use symbolon::session::deal as serve;

/// What the dealer did.
#[derive(Serialize)]
struct DealJson {
    correlations: usize,
    /// Correction bytes sent to all parties.
    offline_bytes: u64,
    orders: Vec<RoleJson>,
}

/// Deals to the parties of one deployment until they end.
pub fn deal(config: &Path, shared: &Shared) -> Result<(), Failure> {
    let network = read_dealer(config, Protocol::Beaver.parties())?;
    let device = shared.open_device()?;
    let line = device_line(&*device);
    let dealt = serve(device, &network, shared.session_options(), |address| {
        eprintln!("the dealer is {LISTENING}{address}")
    })?;
    let orders: Vec<RoleJson> = dealt.reports.iter().map(|report| RoleJson::new(report, &line, 0)).collect();
    let sent: u64 = orders.iter().map(|order| order.offline_bytes_sent).sum();
    let time: f64 = orders.iter().map(|order| order.offline_s).sum();
    let text = format!(
        "dealt {} correlation(s) in {} order(s): {} bytes in {} on {line}\n",
        dealt.correlations,
        orders.len(),
        bytes(sent),
        seconds(time)
    );
    let json = DealJson { correlations: dealt.correlations, offline_bytes: sent, orders };
    output::print(shared.json, &json, &text)
}
