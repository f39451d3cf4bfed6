//! `vram --model`: does a network fit a card, at what batch, and how long does it take?
//!
//! A network is planned layer by layer: each layer is a program of its own, planned as any job is. So a network's
//! memory is that of its largest layer, and its time the sum of theirs. Between layers activations and weights wait in
//! the host memory of their holders; the plain figures follow the same rule.

use super::layer::{Layer, Network};
use super::{Planned, Planner, VramArguments, classes, ratio};
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::page::Page;
use crate::page::chart::{Bar, Classes, bars, factor};
use crate::table::{Table, seconds, size};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::Path;
use symbolon::plan::{Plain, PlanError};
use symbolon::program::tiling::TileSide;
use symbolon::protocol::Protocol;
use symbolon::ring::{FixedPoint, Ring};
use symbolon_job::JobError;
use symbolon_job::config::{parse_toml, read_toml};

/// The networks that come with the program; each says where its shapes are from.
const SHIPPED: [(&str, &str); 7] = [
    ("lenet", include_str!("../../../networks/lenet.toml")),
    ("vgg16", include_str!("../../../networks/vgg16.toml")),
    ("vgg16-cifar", include_str!("../../../networks/vgg16-cifar.toml")),
    ("resnet50", include_str!("../../../networks/resnet50.toml")),
    ("bert-base", include_str!("../../../networks/bert-base.toml")),
    ("gpt2", include_str!("../../../networks/gpt2.toml")),
    ("decoder-7b", include_str!("../../../networks/decoder-7b.toml")),
];

/// The default tile side of large layers: few steps, and still several in flight.
const SIDE: TileSide = TileSide(2048);

/// The largest batch that the search considers.
const MOST: usize = 1 << 16;

/// The answer as JSON.
#[derive(Serialize)]
struct NetworkJson {
    network: String,
    source: String,
    item: String,
    batch: usize,
    memory_bytes: u64,
    ring_bits: u32,
    /// All weights, in elements of the ring.
    weights_bytes: u64,
    device_model: String,
    link: String,
    published: Vec<String>,
    protocols: Vec<ProtocolJson>,
}

/// One protocol's figures.
#[derive(Serialize)]
struct ProtocolJson {
    protocol: String,
    fits: bool,
    /// The largest layer in the clear.
    plain_bytes: u64,
    /// The largest layer's plan without a limit.
    private_bytes: u64,
    factor: f64,
    /// The largest layer's plan without a limit, with correlations streamed.
    streamed_bytes: u64,
    streamed_factor: f64,
    /// The largest layer in the least memory that it can be computed in.
    least_bytes: u64,
    least_factor: f64,
    /// Time of one batch within the card's memory; absent where it does not fit.
    offline_s: Option<f64>,
    online_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    most: Option<usize>,
    layers: Vec<LayerJson>,
}

/// A layer's figures.
#[derive(Serialize)]
struct LayerJson {
    layer: String,
    runs: u64,
    plain_bytes: u64,
    private_bytes: u64,
    streamed_bytes: u64,
    least_bytes: u64,
    /// Time of all its runs, within the card's memory.
    offline_s: Option<f64>,
    online_s: Option<f64>,
    spilled_bytes: u64,
    #[serde(skip)]
    classes: Classes,
}

/// Prints whether a network fits.
pub fn network(name_or_path: &str, arguments: &VramArguments) -> Result<(), Failure> {
    let network = read(name_or_path)?;
    let mut planner = Planner::new(&arguments.shared)?;
    planner.side = planner.side.or(Some(SIDE));
    let survey = Survey {
        network: &network,
        planner: &planner,
        memory_bytes: arguments.shared.budget.unwrap_or(arguments.memory),
        codec: FixedPoint::new(Ring::Z64, 16).expect("16 of 64 bits"),
    };
    let batch = arguments.batch as usize;
    let protocol = |protocol| survey.protocol(protocol, batch, arguments.most);
    let protocols = Protocol::ALL.into_iter().map(protocol).collect::<Result<_, Failure>>()?;
    let element_bytes = survey.codec.ring().element_bytes() as u64;
    let json = NetworkJson {
        weights_bytes: network.layers.iter().map(Layer::weights).sum::<u64>() * element_bytes,
        network: network.name.clone(),
        source: network.source.clone(),
        item: network.item.clone(),
        batch,
        memory_bytes: survey.memory_bytes,
        ring_bits: survey.codec.ring().bits(),
        device_model: planner.model.name.clone(),
        link: planner.link.to_string(),
        published: network.published.clone(),
        protocols,
    };
    if let Some(svg) = &arguments.svg {
        crate::files::write(svg, bars(&all_bars(&json)).as_bytes())?;
    }
    let mut text = text(&json);
    if let Some(folder) = &arguments.report {
        text += &format!("  report in {}\n", page(&json).write(folder)?.display());
    }
    output::print(arguments.shared.json, Document::VramModel, &json, &text)
}

/// The description in a file, or the shipped one of this name.
fn read(name_or_path: &str) -> Result<Network, JobError> {
    let path = Path::new(name_or_path);
    match SHIPPED.iter().find(|(name, _)| *name == name_or_path && !path.exists()) {
        Some((_, text)) => parse_toml(path, text),
        None => read_toml(path).map_err(|failure| match failure {
            JobError::File { path, reason } => {
                let names = SHIPPED.map(|(name, _)| name).join(", ");
                let reason = format!("{reason}; networks that come with symbolon: {names}");
                JobError::File { path, reason }
            }
            other => other,
        }),
    }
}

struct Survey<'a> {
    network: &'a Network,
    planner: &'a Planner,
    memory_bytes: u64,
    codec: FixedPoint,
}

impl Survey<'_> {
    fn protocol(&self, protocol: Protocol, batch: usize, most: bool) -> Result<ProtocolJson, Failure> {
        let style =
            ProgressStyle::with_template("{msg} {pos} of {len} layers, {elapsed}").expect("a template");
        let progress = ProgressBar::new(self.network.layers.len() as u64)
            .with_style(style)
            .with_message(format!("{protocol}:"));
        let mut layers = Vec::new();
        for layer in &self.network.layers {
            layers.push(self.layer(protocol, layer, batch)?);
            progress.inc(1);
        }
        progress.finish_and_clear();
        let largest = |bytes: fn(&LayerJson) -> u64| layers.iter().map(bytes).max().unwrap_or(0);
        let sum = |time: fn(&LayerJson) -> Option<f64>| layers.iter().map(time).sum::<Option<f64>>();
        let plain_bytes = largest(|layer| layer.plain_bytes);
        let private_bytes = largest(|layer| layer.private_bytes);
        let streamed_bytes = largest(|layer| layer.streamed_bytes);
        let least_bytes = largest(|layer| layer.least_bytes);
        let fits = least_bytes <= self.memory_bytes;
        Ok(ProtocolJson {
            protocol: protocol.to_string(),
            fits,
            plain_bytes,
            private_bytes,
            factor: ratio(private_bytes, plain_bytes),
            streamed_bytes,
            streamed_factor: ratio(streamed_bytes, plain_bytes),
            least_bytes,
            least_factor: ratio(least_bytes, plain_bytes),
            offline_s: sum(|layer| layer.offline_s),
            online_s: sum(|layer| layer.online_s),
            most: if most { Some(self.most(protocol, if fits { batch } else { 0 })?) } else { None },
            layers,
        })
    }

    fn layer(&self, protocol: Protocol, layer: &Layer, batch: usize) -> Result<LayerJson, Failure> {
        let program = layer.program(protocol, self.codec, batch)?;
        let unbound = self.planner.plan(protocol, &program, None)?;
        let private_bytes = unbound.size_bytes(self.planner);
        let memory = unbound.largest().memory();
        let least_bytes = self.least_bytes(protocol, layer, batch)?;
        let within = match private_bytes <= self.memory_bytes {
            true => Some(unbound),
            false => self.within(protocol, &program)?,
        };
        let runs = layer.runs(batch);
        let total = |seconds: f64| seconds * runs as f64;
        Ok(LayerJson {
            layer: layer.name.clone(),
            runs,
            plain_bytes: Plain::new(&program).peak_bytes,
            private_bytes,
            streamed_bytes: self.planner.streamed(protocol, &program)?.size_bytes(self.planner),
            least_bytes,
            offline_s: within.as_ref().map(|planned| total(planned.predicted.offline.as_secs_f64())),
            online_s: within.as_ref().map(|planned| total(planned.predicted.online.as_secs_f64())),
            spilled_bytes: within.as_ref().map_or(0, Planned::spilled_bytes),
            classes: classes(&memory),
        })
    }

    /// The plan within the card's memory, if there is one.
    fn within(
        &self,
        protocol: Protocol,
        program: &symbolon::program::Program,
    ) -> Result<Option<Planned>, Failure> {
        match self.planner.plan(protocol, program, Some(self.memory_bytes)) {
            Ok(planned) => Ok(Some(planned)),
            Err(PlanError::OverBudget { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The least memory that a layer can be computed in.
    fn least_bytes(&self, protocol: Protocol, layer: &Layer, batch: usize) -> Result<u64, Failure> {
        let program = layer.program(protocol, self.codec, batch)?;
        match self.planner.plan(protocol, &program, Some(0)) {
            Ok(planned) => Ok(planned.size_bytes(self.planner)),
            Err(PlanError::OverBudget { needed_bytes, .. }) => Ok(needed_bytes),
            Err(error) => Err(error.into()),
        }
    }

    fn fits(&self, protocol: Protocol, batch: usize) -> Result<bool, Failure> {
        for layer in &self.network.layers {
            if self.least_bytes(protocol, layer, batch)? > self.memory_bytes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The largest batch that fits, to about a tenth, given one that does or zero.
    fn most(&self, protocol: Protocol, fitting: usize) -> Result<usize, Failure> {
        let (mut fits, mut over) = (fitting, fitting.max(1));
        loop {
            over = over.saturating_mul(2);
            if over > MOST || !self.fits(protocol, over)? {
                break;
            }
            fits = over;
        }
        while over.min(MOST) > fits + fits / 10 + 1 {
            let middle = fits + (over.min(MOST) - fits) / 2;
            if self.fits(protocol, middle)? {
                fits = middle;
            } else {
                over = middle;
            }
        }
        Ok(fits)
    }
}

fn all_bars(json: &NetworkJson) -> Vec<Bar> {
    let bar = |protocol: &ProtocolJson, layer: &LayerJson| Bar {
        label: format!("{}, {}", layer.layer, protocol.protocol),
        plain_bytes: layer.plain_bytes,
        private: layer.classes,
    };
    json.protocols
        .iter()
        .flat_map(|protocol| protocol.layers.iter().map(move |layer| bar(protocol, layer)))
        .collect()
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn answers(json: &NetworkJson) -> Vec<Vec<String>> {
    let mut rows = vec![row([
        "protocol",
        "fits",
        "dealt ahead",
        "× plain",
        "streamed",
        "× plain",
        "least",
        "× plain",
        "offline",
        "online",
        "online each",
        "most",
    ])];
    let time = |time: Option<f64>| time.map_or_else(|| "–".to_owned(), seconds);
    for protocol in &json.protocols {
        rows.push(vec![
            protocol.protocol.clone(),
            if protocol.fits { "yes" } else { "no" }.to_owned(),
            size(protocol.private_bytes),
            format!("{:.2}×", protocol.factor),
            size(protocol.streamed_bytes),
            format!("{:.2}×", protocol.streamed_factor),
            size(protocol.least_bytes),
            format!("{:.2}×", protocol.least_factor),
            time(protocol.offline_s),
            time(protocol.online_s),
            time(protocol.online_s.map(|seconds| seconds / json.batch as f64)),
            protocol.most.map_or_else(|| "–".to_owned(), |most| most.to_string()),
        ]);
    }
    rows
}

fn layers(protocol: &ProtocolJson) -> Vec<Vec<String>> {
    let heading = format!("{}, layer", protocol.protocol);
    let mut rows = vec![row([
        &heading,
        "runs",
        "plain",
        "dealt ahead",
        "×",
        "streamed",
        "×",
        "least",
        "×",
        "spilled",
        "online, all",
    ])];
    for layer in &protocol.layers {
        rows.push(vec![
            layer.layer.clone(),
            layer.runs.to_string(),
            size(layer.plain_bytes),
            size(layer.private_bytes),
            factor(layer.private_bytes, layer.plain_bytes),
            size(layer.streamed_bytes),
            factor(layer.streamed_bytes, layer.plain_bytes),
            size(layer.least_bytes),
            factor(layer.least_bytes, layer.plain_bytes),
            size(layer.spilled_bytes),
            layer.online_s.map_or_else(|| "does not fit".to_owned(), seconds),
        ]);
    }
    rows
}

/// The note that explains the figures.
const RULES: &str = "Layer by layer: each is planned as a program of its own on shared activations, its \
                     correlations dealt before it or streamed into it, and gives its result to party 0. In between, weights and activations \
                     wait in host memory, in the clear as well as privately. Least: what does not fit waits on the host or is \
                     made again. Predicted times, not measured.";

fn text(json: &NetworkJson) -> String {
    let mut text = format!(
        "{}, batch of {} {}(s), {} bits, {} of device memory; all weights {}\n",
        json.network,
        json.batch,
        json.item,
        json.ring_bits,
        size(json.memory_bytes),
        size(json.weights_bytes)
    );
    text += &Table::from_rows(answers(json)).render();
    for protocol in &json.protocols {
        text += &Table::from_rows(layers(protocol)).render();
    }
    for published in &json.published {
        text += &format!("  published: {published}\n");
    }
    text += &format!("  shapes: {}\n  {RULES}\n", json.source);
    text + &format!("  predicted on {}, link {}\n", json.device_model, json.link)
}

fn page(json: &NetworkJson) -> Page {
    let subtitle = format!("Batch of {} {}(s) in {}", json.batch, json.item, size(json.memory_bytes));
    let mut page = Page::new(&json.network, &subtitle);
    let mut figures = vec![("all weights", size(json.weights_bytes))];
    for protocol in &json.protocols {
        let answer = if protocol.fits { "fits" } else { "does not fit" };
        figures.push((protocol.protocol.as_str(), answer.to_owned()));
    }
    page.figures(&figures);
    page.table("Does it fit?", &answers(json), RULES);
    page.chart("Plain against private, by layer", &bars(&all_bars(json)), "Dealt ahead, without a limit.");
    for protocol in &json.protocols {
        page.table(&format!("{}: by layer", protocol.protocol), &layers(protocol), "");
    }
    if !json.published.is_empty() {
        let rows = [
            vec![row(["published figures"])],
            json.published.iter().map(|text| vec![text.clone()]).collect(),
        ];
        page.table(
            "What others report",
            &rows.concat(),
            "Other rings, inputs and rules: not the same measurement.",
        );
    }
    let facts = [
        ("shapes from", json.source.clone()),
        ("predicted for", json.device_model.clone()),
        ("link", json.link.clone()),
    ];
    page.environment(&facts);
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon::plan::{PlanOptions, Plans, Supply};

    #[test]
    fn every_shipped_network_is_read_and_its_layers_are_programs() {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        for (name, _) in SHIPPED {
            let network = read(name).unwrap_or_else(|failure| panic!("{name}: {failure}"));
            assert!(!network.source.is_empty() && !network.layers.is_empty(), "{name}");
            for layer in &network.layers {
                let program = layer.program(Protocol::Beaver, codec, 2);
                let program = program.unwrap_or_else(|error| panic!("{name}, {}: {error}", layer.name));
                let reaches = symbolon::program::range::reaches(&program);
                assert!(reaches.is_ok(), "{name}, {}: {:?}", layer.name, reaches.err());
            }
        }
    }

    #[test]
    fn private_inference_of_vgg16_takes_at_most_2_2_times_the_memory_of_plain() {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let options = PlanOptions { side: SIDE, supply: Some(Supply::Streamed), ..PlanOptions::default() };
        for protocol in Protocol::ALL {
            let (mut plain, mut private) = (0, 0);
            for layer in &read("vgg16").expect("a network").layers {
                let program = layer.program(protocol, codec, 32).expect("a program");
                let plans = Plans::new(protocol, &program, options).expect("a plan");
                let largest = plans.parties.iter().map(|plan| plan.size_bytes()).max().expect("parties");
                (plain, private) = (plain.max(Plain::new(&program).peak_bytes), private.max(largest));
            }
            let factor = ratio(private, plain);
            println!("{protocol}: {factor:.2}×");
            assert!(factor <= 2.2, "{protocol}: {factor:.2}×");
        }
    }

    #[test]
    fn weights_are_as_many_as_is_known_of_the_networks() {
        let millions = |name: &str| {
            let network = read(name).expect("a network");
            network.layers.iter().map(Layer::weights).sum::<u64>() as f64 / 1e6
        };
        for (name, known) in [("vgg16", 138.4), ("resnet50", 25.5), ("decoder-7b", 6738.0)] {
            let found = millions(name);
            assert!((found / known - 1.0).abs() < 0.02, "{name}: {found} million weights, not {known}");
        }
    }
}
