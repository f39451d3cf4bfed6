//! The dealer's end of a deployment.

use super::covered::Covered;
use super::keys::{Contribution, KeySource, Way, derive};
use super::network::check_pins;
use super::order::{Order, PlanName, Request};
use super::topic::{GRANT, ORDER};
use super::wire::Wire;
use super::{Devices, SessionError, SessionOptions};
use crate::correlation::Demand;
use crate::memory::wipe;
use crate::net::{Credentials, Hello, Link, Listener, NetError, Streams};
use crate::plan::{DEALER_WINDOW, Placement, Plan, PlanError, Supply, dealer_steps};
use crate::ring::prg::PrgKey;
use crate::run::{Execution, Memory, Progress, RunReport, Stage, Stages, execute};
use crate::share::{Difference, Parties, PartyId, Role, Terms, Turn};
use crate::step::{KeyId, OpId, StepList};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Where the dealer awaits the parties.
#[derive(Clone, Debug)]
pub struct DealerNetwork {
    /// The address on which it listens.
    pub listen: SocketAddr,
    /// The number of parties.
    pub parties: usize,
    /// The number of TLS connections of a link, where its peer takes as many; `None` takes a number that suits the cores.
    pub streams: Option<Streams>,
    /// The dealer's identity and the parties' certificates.
    pub credentials: Credentials,
}

/// A dealer's figures.
#[derive(Debug, Default)]
pub struct Dealt {
    /// The number of correlations.
    pub correlations: usize,
    /// The report of each order; the stages of the first begin with those before it.
    pub reports: Vec<RunReport>,
    /// The stages since the end of the last order.
    pub stages: Stages,
}

/// Awaits the parties, deals what they order until they end their sessions, and ends. `listening` is called with the address
/// on which the dealer listens, once it does.
///
/// # Errors
/// Where a party is missing at the deadline, the parties order different things, or the run fails.
///
/// # Panics
/// Within a task of a tokio runtime: a dealer blocks.
pub fn deal(
    devices: impl Into<Devices>,
    network: &DealerNetwork,
    options: SessionOptions,
    listening: impl FnOnce(SocketAddr),
) -> Result<Dealt, SessionError> {
    deal_behind(Stages::default(), devices, network, options, listening)
}

/// The same, with the time that it takes counted behind stages that its caller has gone through.
///
/// # Errors
/// As [`deal`].
///
/// # Panics
/// As [`deal`].
pub fn deal_behind(
    mut stages: Stages,
    devices: impl Into<Devices>,
    network: &DealerNetwork,
    options: SessionOptions,
    listening: impl FnOnce(SocketAddr),
) -> Result<Dealt, SessionError> {
    let roles: Vec<Role> = Parties::first(network.parties).iter().map(Role::from).collect();
    check_pins(&network.credentials, &roles)?;
    let devices = devices.into().for_session()?;
    let wire = Wire::between(&options, network.streams, network.parties)?;
    let links = wire.block_on(async {
        let listener = Listener::bind(network.listen).await?;
        listening(listener.address());
        listener.accept(&roles, Hello::new(Role::Dealer), &network.credentials, &wire.links).await
    })?;
    stages.end(Stage::Connecting);
    serve(&devices, wire, links, options, KeySource::Entropy, stages)
}

/// Deals over links with all parties until they finish.
pub(super) fn serve(
    devices: &Devices,
    wire: Wire,
    mut links: Vec<Link>,
    options: SessionOptions,
    keys: KeySource,
    stages: Stages,
) -> Result<Dealt, SessionError> {
    match try_serve(devices, &wire, &mut links, options, keys, stages) {
        Ok(mut dealt) => {
            wire.finish(links)?;
            dealt.stages.end(Stage::Finishing);
            Ok(dealt)
        }
        Err(error) => {
            // What was kept went with the failure.
            devices.wipe();
            wire.abort(links, |peer| error.told(peer));
            Err(error)
        }
    }
}

fn try_serve(
    devices: &Devices,
    wire: &Wire,
    links: &mut [Link],
    options: SessionOptions,
    source: KeySource,
    stages: Stages,
) -> Result<Dealt, SessionError> {
    let mut dealt = Dealt { stages, ..Dealt::default() };
    let mut kept: HashMap<u32, Dealing> = HashMap::new();
    while let Some((order, contributions)) = wire.wait(take_order(links))? {
        let stages = &mut dealt.stages;
        stages.end(Stage::Ordering);
        let (mut dealing, number, seldom) = match order {
            Order::First { plan, demand, keep, seldom } => {
                (Dealing::new(devices, options, plan, demand, stages)?, keep, seldom)
            }
            Order::Again { number, seldom } => (take_kept(&mut kept, links, number)?, Some(number), seldom),
            Order::Release(number) => {
                take_kept(&mut kept, links, number)?.memory.free(devices.all())?;
                continue;
            }
        };
        let first = dealt.reports.len() as u32;
        let granted = grant(wire, links, source, first, contributions)?;
        let of = seldom.len() as u32;
        for (at, seldom) in (0..of).zip(seldom) {
            let covered = Covered { at, of };
            let keys = granted.iter().map(|granted| granted.key(&dealing.name, first + at)).collect();
            dealt.stages.end(Stage::Keys);
            deal_run((devices, wire, options), links, &mut dealing, (covered, seldom), &keys, &mut dealt)?;
        }
        match number {
            Some(number) => drop(kept.insert(number, dealing)),
            None => dealing.memory.free(devices.all())?,
        }
    }
    kept.into_values().try_for_each(|mut dealing| dealing.memory.free(devices.all()))?;
    Ok(dealt)
}

/// Deals what the next run of a plan consumes; `covered` is its place in the order, with whether it takes what few runs do.
fn deal_run(
    (devices, wire, options): (&Devices, &Wire, SessionOptions),
    links: &mut [Link],
    dealing: &mut Dealing,
    (covered, seldom): (Covered, bool),
    keys: &HashMap<KeyId, PrgKey>,
    dealt: &mut Dealt,
) -> Result<(), SessionError> {
    let (plan, correlations) = dealing.next_run(seldom);
    wipe::stack();
    let label = |op: OpId| format!("correlation {}", op.0);
    // Ahead of the parties it waits until they get on, as it does between orders: they tell it where they do not.
    let stall = if covered.is_first() { options.deadlines.stall } else { Duration::MAX };
    let execution = Execution {
        plan: &plan,
        devices: devices.all(),
        models: devices.models(),
        memory: &dealing.memory,
        keys,
        inputs: BTreeMap::new(),
        outputs: Vec::new(),
        answers: None,
        links,
        source: None,
        sinks: Vec::new(),
        activity: &wire.links.activity,
        interrupt: wire.links.interrupt,
        progress: &Progress::default(),
        stages: &mut dealt.stages,
        run: dealing.name.run_number(dealt.reports.len() as u32),
        follows: !covered.is_first(),
        goes_on: !covered.is_last(),
        stall,
        overlap: options.overlap,
        trace: options.trace,
        label: &label,
    };
    let report = execute(wire.handle(), execution)?.report;
    dealing.runs += 1;
    dealt.stages.end(Stage::Wiping);
    dealt.correlations += correlations;
    dealt.reports.push(RunReport { stages: dealt.stages.take(), ..report });
    Ok(())
}

/// The dealer's plan for a list, within its own budget, on all of its devices.
pub(super) fn plan(devices: &Devices, list: &StepList, options: &SessionOptions) -> Result<Plan, PlanError> {
    let staging_bytes = devices.staging_bytes();
    let budget_bytes = options.budget_bytes.map(|budget| budget.saturating_sub(staging_bytes));
    let placement = Placement { devices: devices.models(), tiles: &[] };
    // All that a dealer does is offline: it is in the same order whatever the parties do meanwhile.
    let plan = Plan::within(list, &placement, Supply::Ahead, DEALER_WINDOW, budget_bytes);
    plan.check_budget(staging_bytes, options.budget_bytes)?;
    Ok(plan)
}

/// A demand that is dealt for one run or several.
struct Dealing {
    name: PlanName,
    demand: Demand,
    /// The plan of all runs.
    plan: Arc<Plan>,
    /// Those of runs that differ from each other, with the number of their correlations.
    turns: HashMap<Turn, (Arc<Plan>, usize)>,
    /// The slots in which the first run keeps the values that later runs need.
    memory: Memory,
    runs: u32,
}

impl Dealing {
    fn new(
        devices: &Devices,
        options: SessionOptions,
        name: PlanName,
        demand: Demand,
        stages: &mut Stages,
    ) -> Result<Dealing, SessionError> {
        let list = dealer_steps(&demand).map_err(PlanError::from)?;
        let plan = Arc::new(plan(devices, &list, &options)?);
        stages.end(Stage::Planning);
        let memory = Memory::allocate(&plan, devices.all())?;
        stages.end(Stage::Allocating);
        Ok(Dealing { name, demand, plan, turns: HashMap::new(), memory, runs: 0 })
    }

    /// The plan of the next run, and the number of its correlations.
    fn next_run(&mut self, seldom: bool) -> (Arc<Plan>, usize) {
        let Dealing { demand, plan, turns, runs, .. } = self;
        if demand.once.is_empty() && demand.seldom.is_empty() {
            return (plan.clone(), demand.entries.len());
        }
        let turn = Turn { first: *runs == 0, seldom, hidden: BTreeSet::new() };
        let of_turn = |turn: &Turn| (Arc::new(plan.of_turn(turn)), demand.of_turn(turn).entries.len());
        turns.entry(turn).or_insert_with_key(of_turn).clone()
    }
}

/// The values that an earlier order kept under this number.
fn take_kept(kept: &mut HashMap<u32, Dealing>, links: &[Link], number: u32) -> Result<Dealing, NetError> {
    let peer = links.first().expect("a dealer serves at least one party").peer();
    let reason = || format!("nothing is kept under number {number}");
    kept.remove(&number).ok_or_else(|| NetError::Malformed { peer, what: ORDER.name, reason: reason() })
}

/// Both contributions to the keys of an order's runs with one party.
struct Granted {
    party: Role,
    own: Contribution,
    partys: Contribution,
}

impl Granted {
    /// The key of a run.
    fn key(&self, plan: &PlanName, run: u32) -> (KeyId, PrgKey) {
        let way = Way { from: Role::Dealer, to: self.party, run };
        (KeyId::between(self.party, Role::Dealer), derive(plan, way, &self.own, &self.partys))
    }
}

/// Contributes to the keys with each party, see [`super::keys`], for an order whose first run has this number:
/// `contributions` are the parties', in the order of the links.
fn grant(
    wire: &Wire,
    links: &mut [Link],
    source: KeySource,
    run: u32,
    contributions: Vec<Contribution>,
) -> Result<Vec<Granted>, SessionError> {
    let mut granted = Vec::with_capacity(contributions.len());
    for (link, partys) in links.iter_mut().zip(contributions) {
        let party = link.peer();
        let own = source.contribution(Way { from: Role::Dealer, to: party, run })?;
        wire.wait(link.send_control(GRANT, &own))?;
        granted.push(Granted { party, own, partys });
    }
    Ok(granted)
}

/// Every party's next order, which must be the same, with what each contributes to its keys, or `None` once all have
/// finished.
async fn take_order(links: &mut [Link]) -> Result<Option<(Order, Vec<Contribution>)>, NetError> {
    let mut first: Option<(PartyId, Option<Order>)> = None;
    let mut contributions = Vec::new();
    let requests = requests(links).await?;
    for (link, request) in links.iter().zip(requests) {
        let (order, contribution) =
            request.map(|Request { order, contribution }| (order, contribution)).unzip();
        contributions.extend(contribution);
        let faulty = match &order {
            Some(Order::First { demand, .. }) => demand.check().err().map(|error| error.to_string()),
            _ => None,
        };
        if let Some(reason) = faulty.or_else(|| order.as_ref().and_then(Order::fault)) {
            return Err(NetError::Malformed { peer: link.peer(), what: ORDER.name, reason });
        }
        match &first {
            None => first = Some((party_of(link), order)),
            Some((_, other)) if *other == order => {}
            Some((other_party, other)) => {
                let mut difference = facts(&order).first_difference(&facts(other)).unwrap_or(Difference {
                    field: "correlations".into(),
                    here: "some list".into(),
                    there: "another".into(),
                });
                difference.field = format!("{} (there: {other_party})", difference.field);
                return Err(NetError::Disagree { peer: link.peer(), difference });
            }
        }
    }
    let order = first.expect("a dealer serves at least one party").1;
    Ok(order.map(|order| (order, contributions)))
}

/// Each party's next order, or `None` where it has finished. Once one party waits for its grant, the others must order
/// within half of the stall deadline, so that the waiting party hears whose order is missing before it gives up on the
/// dealer.
async fn requests(links: &mut [Link]) -> Result<Vec<Option<Request<Order>>>, NetError> {
    let peers: Vec<Role> = links.iter().map(Link::peer).collect();
    let waited = links.first().expect("a dealer serves at least one party").long_patience() / 2;
    let receive = |link| Box::pin(Link::receive_control_or_finish::<Request<Order>>(link, ORDER));
    let mut awaited: BTreeMap<usize, _> = links.iter_mut().map(receive).enumerate().collect();
    let mut requests: Vec<Option<Request<Order>>> = peers.iter().map(|_| None).collect();
    let mut deadline = None;
    while let Some((&missing, _)) = awaited.first_key_value() {
        let next = poll_fn(|context| {
            let mut polled =
                awaited.iter_mut().map(|(&index, receive)| (index, receive.as_mut().poll(context)));
            let ready = polled.find_map(|(index, polled)| match polled {
                Poll::Ready(request) => Some((index, request)),
                Poll::Pending => None,
            });
            ready.map_or(Poll::Pending, Poll::Ready)
        });
        let late = |_| NetError::Late { peer: peers[missing], what: ORDER.name, waited };
        let (index, request) = match deadline {
            Some(deadline) => timeout_at(deadline, next).await.map_err(late)?,
            None => next.await,
        };
        awaited.remove(&index);
        requests[index] = request?;
        let waits = |request: &Request<Order>| !matches!(request.order, Order::Release(_));
        if requests[index].as_ref().is_some_and(waits) {
            deadline.get_or_insert(Instant::now() + waited);
        }
    }
    Ok(requests)
}

/// An order as far as errors show it.
fn facts(order: &Option<Order>) -> Terms {
    let what = match order {
        None => "the end of the session".into(),
        Some(Order::First { demand, .. }) => format!("{:?}: {}", demand.ring, demand.summary().join(", ")),
        Some(Order::Again { number, .. }) => format!("plan {number} again"),
        Some(Order::Release(number)) => format!("the release of plan {number}"),
    };
    let mut facts = Terms::from_iter([("order", what)]);
    if let Some(Order::First { plan, .. }) = order {
        facts.add("plan", plan);
    }
    if let Some(Order::First { seldom, .. } | Order::Again { seldom, .. }) = order {
        facts.add("runs", seldom.len());
        facts.add("runs that take what few do", seldom.iter().filter(|seldom| **seldom).count());
    }
    facts
}

fn party_of(link: &Link) -> PartyId {
    let Role::Party(party) = link.peer() else { unreachable!("a dealer's peers are parties") };
    party
}
