//! What a party takes from a peer's word: shapes and tiles, by peers that deviate.

use crate::support::{
    Folder, data, declared, declared_job, deployment, error_line, job, json, refused, stderr,
};
use ndarray::Array2;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Output};
use std::time::Duration;
use symbolon::net::{Address, Certificate, Credentials, Frame, Hello, Identity, LinkOptions, Topic, dial};
use symbolon::share::Role;

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
    /// On [`data`].
    fn new(job: &str, flags: &[&str]) -> Scene {
        let folder = Folder::new();
        data(&folder);
        Scene::on(folder, job, flags)
    }

    fn on(folder: Folder, job: &str, flags: &[&str]) -> Scene {
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

    fn end(mut self, one: String) -> Met {
        let zero = self.processes.pop().expect("party 0").wait_with_output().expect("party 0 ends");
        let mut dealer = self.processes.pop().expect("the dealer");
        let _ = dealer.kill();
        let _ = dealer.wait();
        Met { zero, one }
    }
}

/// The job whose output is party 1's.
fn for_party_1(job: String) -> String {
    job.replace("to = [0], file = \"z.npy\"", "to = [1]")
}

#[test]
fn a_shape_that_the_job_does_not_declare_is_refused_by_name_before_anything_is_planned() {
    let scene = Scene::new(&for_party_1(declared_job(64, 16, "z = x @ w")), &[]);
    // With the identity for w, z would be x.
    let told = echo(&scene, "[3,3]", 512);
    let Met { zero, one } = scene.end(told);
    const WORDS: &str = "party 1 offers input 'w' of shape (3, 3); the job declares shape (3, 2)";
    assert_eq!((zero.status.code(), error_line(&zero)), (Some(5), format!("error: {WORDS}")));
    assert_eq!(one, format!("party 0 gave up: {WORDS}"), "the peer is told the same");
}

#[test]
fn a_kind_that_the_job_does_not_declare_is_refused_by_name() {
    let job = for_party_1(declared_job(64, 0, "z = x < w[:, 0]"));
    let scene = Scene::new(&job.replacen("owner = 1", "owner = 1, kind = \"i32\"", 1), &[]);
    let told = echo(&scene, "[3,2]", 512);
    let Met { zero, one } = scene.end(told);
    const WORDS: &str = "party 1 offers input 'w' as real; the job declares i32";
    assert_eq!((zero.status.code(), error_line(&zero)), (Some(5), format!("error: {WORDS}")));
    assert_eq!(one, format!("party 0 gave up: {WORDS}"), "the peer is told the same");
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
    const SHOWN: &str = "input x (2, 3) of party 0, real, a shape that the job does not declare";
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
        text.contains("input w (3, 2) of party 1, real, a shape that the job does not declare"),
        "{text}"
    );
}

/// Party 1 as nothing but frames: it offers a shape under party 0's own terms, wants tiles of a side, and says of a plan
/// whatever party 0 says; returns what it is told in the end.
fn echo(scene: &Scene, shape: &str, side: u64) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = LinkOptions::default();
        let credentials = scene.credentials();
        let hello = Hello::new(Role::party(1));
        let (zero, dealer) = (Address::from(scene.zero), Address::from(scene.dealer));
        let mut link = dial(Role::party(0), &zero, hello, &credentials, &options).await.expect("party 0");
        let _dealer = dial(Role::Dealer, &dealer, hello, &credentials, &options).await.expect("the dealer");
        for topic in 1..10 {
            link.receiver().expect_control(Topic::new(topic, "message", 1 << 20));
            let frame = tokio::time::timeout(Duration::from_secs(120), link.receiver().receive()).await;
            let said = match frame.expect("party 0 does not keep its peer waiting") {
                Ok(Frame::Control { payload, .. }) => payload,
                Ok(frame) => panic!("no control message, but {}", frame.name()),
                Err(error) => return error.to_string(),
            };
            let answer = match topic {
                1 => {
                    let mut introduction: Value = serde_json::from_slice(&said).expect("an introduction");
                    let offer = format!("{{\"shape\":{shape},\"kind\":\"real\"}}");
                    introduction["offers"] = serde_json::json!([["w", offer]]);
                    introduction.to_string().into_bytes().into()
                }
                2 => serde_json::json!({ "side": side, "supply": "ahead" }).to_string().into_bytes().into(),
                _ => said,
            };
            link.sender().send(Frame::Control { topic, payload: answer }).await.expect("it is taken");
        }
        "party 0 goes on".to_owned()
    })
}

#[test]
fn shapes_of_a_peers_choice_make_a_party_take_no_more_than_a_limit() {
    let job = for_party_1(job(64, 16, "z = x @ w"));
    const ABSURD: &str =
        "with the shapes that peers offered, w takes 25769803776 bytes, above the limit of 1073741824";
    for (shape, side, status, words) in [
        ("[3, 1073741824]", u64::MAX, 4, ABSURD),
        ("[3, 1073741824]", 64, 4, ABSURD),
        // No value is too large, but so many tiles are.
        ("[3, 40000000]", 64, 5, "party 1 wants tiles of side 64, which make plans of about "),
    ] {
        let scene = Scene::new(&job, &["--accept-shapes"]);
        let told = echo(&scene, shape, side);
        let Met { zero, one } = scene.end(told);
        let line = error_line(&zero);
        assert!(zero.status.code() == Some(status) && line.contains(words), "{shape}, side {side}: {line}");
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
}

#[test]
fn tiles_of_a_peers_choice_that_make_far_more_steps_are_refused_before_they_are_cut() {
    let folder = Folder::new();
    folder.npy("x.npy", &Array2::<f64>::ones((20_000, 1)));
    let text = for_party_1(declared(&job(64, 16, "z = x @ w"), [20_000, 1], [1, 20_000]));
    let scene = Scene::on(folder, &text, &[]);
    let told = echo(&scene, "[1,20000]", 64);
    let Met { zero, one } = scene.end(told);
    let line = error_line(&zero);
    assert!(
        line.contains("party 1 wants tiles of side 64, which make plans of about ")
            && line.contains("start both with --tile 512, or more"),
        "{line}"
    );
    assert_eq!(zero.status.code(), Some(5));
    assert!(one.contains("party 1 wants tiles of side 64"), "the peer is told: {one}");
}

#[test]
fn tiles_far_too_small_for_a_job_are_refused_at_once() {
    let folder = Folder::new();
    let text = declared(&job(64, 0, "z = x @ w"), [8192; 2], [8192; 2]);
    for protocol in ["beaver", "replicated"] {
        folder.text("tile.toml", &text.replace("beaver", protocol));
        let line = refused(&folder, &["plan", "tile.toml", "--tile", "64", "--device", "cpu"], 4);
        assert!(
            line.contains("tiles of side 64 make plans of about ") && line.contains("; --tile 256 would do"),
            "{line}"
        );
        json(&folder.run(&["plan", "tile.toml", "--tile", "256", "--device", "cpu", "--json"]));
    }
}
