//! `plan`: what a job will take.

use crate::args::Shared;
use crate::failure::Failure;
use crate::job::{Facts, Job};
use crate::output;
use crate::party::{device_line, facts_of};
use crate::table::{Table, bytes};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use symbolon::plan::{Plan, PlanOptions, Plans};
use symbolon::program::{Program, range};
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
    output::print(shared.json, &json, &text(&json));
    Ok(())
}

/// What is known of the inputs: what the job declares, otherwise what the files say.
fn facts(job: &Job) -> Result<BTreeMap<String, Facts>, Failure> {
    let fact = |name: &String| match job.declared_facts(name) {
        Some(facts) => Ok((name.clone(), facts)),
        None => Ok((name.clone(), facts_of(&job.read_input(name, None)?))),
    };
    job.inputs.keys().map(fact).collect()
}

fn role(plans: &Plans, plan: &Plan, staging_bytes: u64) -> RolePlan {
    let traffic = plans.traffic.of(plan.role);
    let mut memory = plan.memory();
    if staging_bytes > 0 {
        memory.insert(MemoryClass::Staging, staging_bytes);
    }
    let (id, sent, received) = match plan.role {
        Role::Party(party) => (party.0.to_string(), traffic.sent_bytes, traffic.received_bytes),
        Role::Dealer => ("dealer".to_owned(), traffic.offline_sent_bytes, 0),
    };
    RolePlan {
        id,
        bytes_sent: sent,
        bytes_received: received,
        steps: plan.steps.len(),
        vram_planned_bytes: memory.values().sum(),
        vram_by_class: memory.into_iter().map(|(class, bytes)| (class.name().to_owned(), bytes)).collect(),
    }
}

/// What is known about overflow.
fn range_line(program: &Program) -> Result<String, Failure> {
    if program.codec().fraction_bits() == 0 {
        return Ok(format!("integers modulo 2^{}: every op is exact", program.ring().bits()));
    }
    let reaches = range::reaches(program)?;
    let unbounded: Vec<&str> = program
        .inputs()
        .iter()
        .filter(|input| input.bound.is_none())
        .map(|input| input.name.as_str())
        .collect();
    if unbounded.is_empty() {
        let reach = reaches.iter().flatten().copied().fold(0.0, f64::max);
        return Ok(format!(
            "with the declared bounds no magnitude exceeds {reach:.4e}: no overflow is possible"
        ));
    }
    let limit = range::product_limit(program);
    let names = unbounded.join(", ");
    Ok(format!(
        "no bound is declared for {names}: overflow is excluded only while products stay below {limit:.4e}"
    ))
}

fn text(json: &PlanJson) -> String {
    let mut text = format!(
        "{}: {}, {} bits, {} fraction bits, {} round(s)\n",
        json.job, json.protocol, json.ring_bits, json.fraction_bits, json.rounds
    );
    let mut table = Table::new(["role", "bytes sent", "received", "steps", "device memory"]);
    for role in json.parties.iter().chain([&json.dealer]) {
        let name =
            if role.id == "dealer" { "dealer, offline".to_owned() } else { format!("party {}", role.id) };
        let classes: Vec<String> =
            role.vram_by_class.iter().map(|(class, size)| format!("{class} {}", bytes(*size))).collect();
        table.row([
            name,
            bytes(role.bytes_sent),
            bytes(role.bytes_received),
            role.steps.to_string(),
            format!("{} ({})", bytes(role.vram_planned_bytes), classes.join(", ")),
        ]);
    }
    text += &table.render();
    for op in &json.ops {
        text += &format!("  {}: {}\n", op.op, op.formula);
    }
    for line in &json.correlations {
        text += &format!("  needs {line}\n");
    }
    text += &format!("  {}\n  on {}\n  plan {}\n", json.range, json.device, &json.digest[..16]);
    text
}
