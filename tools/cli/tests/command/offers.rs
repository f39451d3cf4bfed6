//! What a party takes from a peer's word: shapes and tiles, by peers that deviate.

use crate::support::{
    Folder, SHAPES, data, declared_job, deployment, error_line, job, json, refused, stderr,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Output};
use std::sync::Arc;
use std::time::Duration;
use symbolon::device::cpu::Cpu;
use symbolon::net::{Address, Certificate, Credentials, Frame, Hello, Identity, LinkOptions, Topic, dial};
use symbolon::program::expression::{Names, add_step};
use symbolon::program::{Dims, Kind, Program};
use symbolon::protocol::Protocol;
use symbolon::ring::{Elements, FixedPoint, Ring};
use symbolon::session::{Declared, Offer, PartyNetwork, Session, SessionOptions};
use symbolon::share::{PartyId, Role};

/// The last words of both ends of a run in which party 1 deviates.
struct Met {
    zero: Output,
    /// What the deviating party is told, or finds.
    one: String,
}

/// Party 0 and the dealer as processes; party 1 is the test's own.
struct Scene {
    folder: Folder,
    zero: SocketAddr,
    dealer: SocketAddr,
    processes: Vec<Child>,
}

impl Scene {
    fn new(job: &str, flags: &[&str]) -> Scene {
        let folder = Folder::new();
        data(&folder);
        folder.text("job.toml", job);
        let dealer = deployment(&folder);
        let p1 = std::fs::read_to_string(folder.path("p1.toml")).expect("a configuration");
        let (_, zero) = p1.split_once("0 = \"").expect("party 0's address");
        let zero = zero.split('"').next().and_then(|text| text.parse().ok()).expect("an address");
        let deal = folder.start(&["deal", "--config", "dealer.toml"]);
        let run = ["run", "job.toml", "--party", "p0.toml", "--device", "cpu", "--threads", "1"];
        let party = folder.start(&[&run, flags].concat());
        Scene { folder, zero, dealer, processes: vec![deal, party] }
    }

    /// Party 1's own, as its node's folder has them.
    fn credentials(&self) -> Credentials {
        let read = |name: &str| {
            std::fs::read_to_string(self.folder.path("nodes/party1").join(name)).expect("a file of the node")
        };
        let pin =
            |stem: &str| Certificate::from_pem(&read(&format!("peers/{stem}.crt"))).expect("a certificate");
        Credentials {
            identity: Identity::from_pem(&read("identity.key"), &read("identity.crt")).expect("an identity"),
            peers: BTreeMap::from([(Role::party(0), pin("party0")), (Role::Dealer, pin("dealer"))]),
        }
    }

    /// A session of party 1 that offers what it likes under the job's own terms.
    fn session(&self, offer: &str) -> Session {
        let network = PartyNetwork {
            party: PartyId(1),
            listen: None,
            lower: BTreeMap::from([(PartyId(0), self.zero.into())]),
            parties: 2,
            dealer: Some(self.dealer.into()),
            streams: None,
            credentials: self.credentials(),
        };
        let device = Arc::new(Cpu::open(Some(1), None).expect("a device"));
        let offers = vec![("w".to_owned(), offer.to_owned())];
        Session::connect(device, &network, SessionOptions::default(), terms("(3, 2)"), offers, |_| ())
            .expect("party 0 and the dealer are there")
    }

    fn end(mut self, one: String) -> Met {
        let zero = self.processes.pop().expect("party 0").wait_with_output().expect("party 0 ends");
        let mut dealer = self.processes.pop().expect("the dealer");
        let _ = dealer.kill();
        let _ = dealer.wait();
        Met { zero, one }
    }
}

/// The terms of the job on [`data`], word for word, with these shapes.
fn terms(shape_of_w: &str) -> Vec<(String, String)> {
    let shape_of_x = if shape_of_w == "none" { "none" } else { "(2, 3)" };
    [
        ("name", "test"),
        ("protocol", "beaver"),
        ("ring_bits", "64"),
        ("fraction_bits", "16"),
        ("truncation", "stochastic"),
        ("batches", "1"),
        ("owner of input w", "1"),
        ("shape of input w", shape_of_w),
        ("bound of input w", "none"),
        ("residence of input w", "false"),
        ("owner of input x", "0"),
        ("shape of input x", shape_of_x),
        ("bound of input x", "none"),
        ("residence of input x", "false"),
        ("step 1", "z = x @ w"),
        ("recipients of output z", "[1]"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// The job whose output is party 1's.
fn for_party_1(job: String) -> String {
    job.replace("to = [0], file = \"z.npy\"", "to = [1]")
}

const IDENTITY: &str = r#"{"shape":[3,3],"kind":"real"}"#;

#[test]
fn a_shape_that_the_job_does_not_declare_is_refused_by_name_before_anything_is_planned() {
    let scene = Scene::new(&for_party_1(declared_job(64, 16, "z = x @ w")), &[]);
    let mut session = scene.session(IDENTITY);
    // What it would take to read x from z = x @ identity.
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(2, codec);
    let mut names = Names::new();
    for (name, owner, extents) in [("w", 1, [3, 3]), ("x", 0, SHAPES[0])] {
        let dims = Dims::new(&extents).expect("two axes");
        names.insert(name.into(), program.input(name, PartyId(owner), dims, None).expect("an input"));
    }
    let z = add_step(&mut program, &mut names, 1, "z = x @ w").expect("a step");
    program.output("z", z, PartyId(1).alone()).expect("an output");
    let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let own = BTreeMap::from([("w".to_owned(), Elements::encode(codec, &identity).expect("numbers"))]);
    let error = session.run(Protocol::Beaver, &program, own).expect_err("party 0 refuses").to_string();
    let Met { zero, one } = scene.end(error);
    const WORDS: &str = "party 1 offers input 'w' of shape (3, 3); the job declares shape (3, 2)";
    let line = error_line(&zero);
    assert_eq!((zero.status.code(), line.as_str()), (Some(5), format!("error: {WORDS}").as_str()));
    assert_eq!(one, format!("party 0 gave up: {WORDS}"), "the peer is told the same");
}

#[test]
fn who_offers_another_shape_than_the_job_declares_finds_the_same_disagreement() {
    let scene = Scene::new(&for_party_1(declared_job(64, 16, "z = x @ w")), &[]);
    let mut session = scene.session(IDENTITY);
    let input = |owner, shape: [usize; 2]| Declared {
        owner: PartyId(owner),
        shape: Some(Dims::new(&shape).expect("two axes")),
        kind: None,
    };
    let declared = BTreeMap::from([("x".into(), input(0, SHAPES[0])), ("w".into(), input(1, SHAPES[1]))]);
    let error = session.inputs(&declared).expect_err("its own offer is wrong").to_string();
    let Met { zero, one } = scene.end(error);
    assert_eq!(zero.status.code(), Some(5));
    assert_eq!(one, "party 1 offers input 'w' of shape (3, 3); the job declares shape (3, 2)");
}

#[test]
fn a_party_whose_input_reaches_another_is_not_started_without_its_peers_shapes() {
    let folder = Folder::new();
    data(&folder);
    deployment(&folder);
    folder.text("job.toml", &job(64, 16, "z = x @ w"));
    let line = refused(&folder, &["run", "job.toml", "--party", "p1.toml"], 2);
    assert!(
        line.contains("no shape for input 'x' of party 0, and input 'w' of party 1 reaches output 'z'")
            && line.contains("declare the shape in the job, or accept what is offered with --accept-shapes"),
        "{line}"
    );
    // Party 0 shows nobody anything: it needs no declaration. Party 1 says that it takes what is offered.
    let children = [
        folder.start(&["deal", "--config", "dealer.toml"]),
        folder.start(&["run", "job.toml", "--party", "p0.toml"]),
        folder.start(&["run", "job.toml", "--party", "p1.toml", "--accept-shapes", "--json"]),
    ];
    let [_, zero, one] = children.map(|child| child.wait_with_output().expect("it ends"));
    const SHOWN: &str = "input x (2, 3) of party 0, fractions, a shape that the job does not declare";
    assert!(zero.status.success() && stderr(&one).contains(SHOWN), "{}{}", stderr(&zero), stderr(&one));
    let report = json(&one);
    let inputs = report["inputs"].as_array().expect("all parties' inputs");
    let shapes: Vec<(&Value, &Value)> =
        inputs.iter().map(|input| (&input["name"], &input["shape"])).collect();
    let expected =
        [("w", [3, 2]), ("x", [2, 3])].map(|(name, shape)| (Value::from(name), Value::from(shape.to_vec())));
    assert_eq!(shapes, expected.iter().map(|(name, shape)| (name, shape)).collect::<Vec<_>>());
    let text = String::from_utf8_lossy(&zero.stdout).into_owned();
    assert!(
        text.contains("input w (3, 2) of party 1, fractions, a shape that the job does not declare"),
        "{text}"
    );
}

/// Party 1 as nothing but frames: it offers a shape, wants tiles of a side, and says of a plan whatever party 0 says.
fn echo(scene: &Scene, shape: &str, side: u64) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = LinkOptions::default();
        let credentials = scene.credentials();
        let hello = Hello::new(Role::party(1));
        let (zero, dealer) = (Address::from(scene.zero), Address::from(scene.dealer));
        let mut link = dial(Role::party(0), &zero, hello, &credentials, &options).await.expect("party 0");
        let _dealer = dial(Role::Dealer, &dealer, hello, &credentials, &options).await.expect("the dealer");
        let offers = vec![("w", format!("{{\"shape\":{shape},\"kind\":\"real\"}}"))];
        let introduction = serde_json::json!({ "terms": terms("none"), "offers": offers }).to_string();
        let cut = serde_json::json!({ "side": side, "supply": "ahead" }).to_string();
        let control = |topic: u32, text: String| Frame::Control { topic, payload: text.into_bytes().into() };
        for frame in [control(1, introduction), control(2, cut)] {
            link.sender().send(frame).await.expect("it is taken");
        }
        for topic in [1, 2, 3, 4] {
            link.receiver().expect_control(Topic::new(topic, "message", 1 << 20));
            let frame = tokio::time::timeout(Duration::from_secs(20), link.receiver().receive()).await;
            match frame.expect("party 0 does not keep its peer waiting") {
                Ok(Frame::Control { topic: 3, payload }) => {
                    let echoed = Frame::Control { topic: 3, payload };
                    link.sender().send(echoed).await.expect("it is taken");
                }
                Ok(_) => {}
                Err(error) => return error.to_string(),
            }
        }
        "party 0 goes on".to_owned()
    })
}

#[test]
fn shapes_of_a_peers_choice_make_a_party_take_no_more_than_a_limit() {
    let job = for_party_1(job(64, 16, "z = x @ w"));
    for (shape, words) in [
        (
            "[3, 1073741824]",
            "with the shapes that peers offered, w takes 25769803776 bytes, above the limit of",
        ),
        // No value is too large, but all of them together are.
        ("[3, 40000000]", "the budget is 1073741824 bytes"),
    ] {
        let scene = Scene::new(&job, &["--accept-shapes"]);
        let told = echo(&scene, shape, u64::MAX);
        let Met { zero, one } = scene.end(told);
        let line = error_line(&zero);
        assert!(zero.status.code() == Some(4) && line.contains(words), "{shape}: {line}");
        assert!(one.contains("party 0 gave up: "), "{one}");
    }
}

#[test]
fn an_offer_that_says_nothing_of_an_input_is_named() {
    let job = for_party_1(job(64, 16, "z = x @ w"));
    let scene = Scene::new(&job, &["--accept-shapes"]);
    let told = echo(&scene, "\"wide\"", 512);
    let line = error_line(&scene.end(told).zero);
    assert!(line.contains("what party 1 offers for input 'w' cannot be read: "), "{line}");
    let offer = Offer { shape: Dims::new(&[3, 2]).expect("two axes"), kind: Kind::Real };
    assert_eq!(serde_json::to_string(&offer).expect("it serialises"), r#"{"shape":[3,2],"kind":"real"}"#);
}
