//! `plan`: what a job will take.

use crate::args::Shared;
use crate::failure::Failure;
use crate::job::{Facts, Job};
use crate::output;
use crate::party::device_line;
use crate::report::range_line;
use crate::table::{Table, bytes};
use crate::targets::check_targets;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use symbolon::plan::{Plan, PlanOptions, Plans};
use symbolon::share::Role;
use symbolon::step::MemoryClass;

/// A plan as JSON; the names are those of a run's report.
#[derive(Serialize)]
struct PlanJson {
    job: String,
    protocol: String,
    ring_bits: u32,
    fraction_bits: u32,
    digest: String,
    device: String,
    rounds: u32,
    offline_bytes: u64,
    correlations: Vec<String>,
    parties: Vec<RolePlan>,
    dealer: RolePlan,
    ops: Vec<OpPlan>,
    range: String,
}

#[derive(Serialize)]
struct RolePlan {
    id: String,
    bytes_sent: u64,
    bytes_received: u64,
    offline_bytes_sent: u64,
    offline_bytes_received: u64,
    steps: usize,
    vram_planned_bytes: u64,
    vram_by_class: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct OpPlan {
    op: String,
    formula: String,
    bytes_sent: Vec<u64>,
}

/// Prints what a job will take.
pub fn plan(job_path: &Path, shared: &Shared) -> Result<(), Failure> {
    let job = Job::read(job_path)?;
    check_targets(job.input_files(), job.output_files())?;
    let program = job.program(&facts(&job)?)?;
    let plans = Plans::new(job.protocol, &program, PlanOptions::default())?;
    let device = shared.open_device()?;
    let staging_bytes = device.description().staging_bytes;
    for plan in plans.parties.iter().chain([&plans.dealer]) {
        plan.check_budget(staging_bytes, shared.budget)?;
    }
    let role = |plan: &Plan| role(&plans, plan, staging_bytes);
    let element_bytes = job.codec.ring().element_bytes() as u64;
    let op = |cost: &symbolon::protocol::OpCost| OpPlan {
        op: cost.label.clone(),
        formula: cost.formula.clone(),
        bytes_sent: cost.sent_elements.iter().map(|elements| elements * element_bytes).collect(),
    };
    let json = PlanJson {
        job: job.name.clone(),
        protocol: job.protocol.to_string(),
        ring_bits: job.codec.ring().bits(),
        fraction_bits: job.codec.fraction_bits(),
        digest: blake3::Hash::from(plans.agreement.digest).to_hex().to_string(),
        device: device_line(&*device),
        rounds: plans.traffic.rounds,
        offline_bytes: plans.demand.correction_bytes(),
        correlations: plans.demand.summary(),
        parties: plans.parties.iter().map(role).collect(),
        dealer: role(&plans.dealer),
        ops: plans.cost.ops.iter().map(op).collect(),
        range: range_line(&program)?,
    };
    output::print(shared.json, &json, &text(&json, element_bytes))
}

/// What is known of the inputs: what the files say, and where there is none, what the job declares. A file is held
/// against what is declared.
fn facts(job: &Job) -> Result<BTreeMap<String, Facts>, Failure> {
    let is_there = |name: &str| job.input_source(name).is_some_and(|source| source.file.exists());
    let fact = |name: &String| match job.declared_facts(name) {
        Some(facts) if !is_there(name) => Ok((name.clone(), facts)),
        _ => Ok((name.clone(), job.read_input(name, None)?.facts())),
    };
    job.inputs.keys().map(fact).collect()
}

fn role(plans: &Plans, plan: &Plan, staging_bytes: u64) -> RolePlan {
    let traffic = plans.traffic.of(plan.role);
    let mut memory = plan.memory();
    if staging_bytes > 0 {
        memory.insert(MemoryClass::Staging, staging_bytes);
    }
    let id = match plan.role {
        Role::Party(party) => party.0.to_string(),
        Role::Dealer => "dealer".to_owned(),
    };
    RolePlan {
        id,
        bytes_sent: traffic.sent_bytes,
        bytes_received: traffic.received_bytes,
        offline_bytes_sent: traffic.offline_sent_bytes,
        offline_bytes_received: traffic.offline_received_bytes,
        steps: plan.steps.len(),
        vram_planned_bytes: memory.values().sum(),
        vram_by_class: memory.into_iter().map(|(class, bytes)| (class.name().to_owned(), bytes)).collect(),
    }
}

fn text(json: &PlanJson, element_bytes: u64) -> String {
    let mut text = format!(
        "{}: {}, {} bits, {} fraction bits, {} round(s)\n",
        json.job, json.protocol, json.ring_bits, json.fraction_bits, json.rounds
    );
    let mut table = Table::new(["role", "bytes sent", "received", "steps", "device memory"]);
    for role in json.parties.iter().chain([&json.dealer]) {
        let (name, sent) = match role.id.as_str() {
            "dealer" => ("dealer, offline".to_owned(), role.offline_bytes_sent),
            id => (format!("party {id}"), role.bytes_sent),
        };
        let classes: Vec<String> =
            role.vram_by_class.iter().map(|(class, size)| format!("{class} {}", bytes(*size))).collect();
        table.row([
            name,
            bytes(sent),
            bytes(role.bytes_received),
            role.steps.to_string(),
            format!("{} ({})", bytes(role.vram_planned_bytes), classes.join(", ")),
        ]);
    }
    text += &table.render();
    if !json.ops.is_empty() {
        text += &format!("  sent online, in elements of {element_bytes} bytes:\n");
    }
    for op in &json.ops {
        text += &format!("    {}: {}\n", op.op, op.formula);
    }
    for line in &json.correlations {
        text += &format!("  needs {line}\n");
    }
    text += &format!("  {}\n  on {}\n  plan {}\n", json.range, json.device, &json.digest[..16]);
    text
}
