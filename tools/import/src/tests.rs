//! Models that are made in the tests, message by message.

use crate::schema::{Dim, Entry, Graph, Model, Node, Opset, Shape, Tensor, TensorType, Type, ValueInfo};
use crate::{ImportError, Job, Options, import};
use prost::Message;
use std::path::Path;

fn node(op: &str, inputs: &[&str], output: &str) -> Node {
    let inputs = inputs.iter().map(|input| (*input).to_owned()).collect();
    Node { input: inputs, output: vec![output.to_owned()], op_type: op.to_owned(), ..Node::default() }
}

fn floats(name: &str, dims: &[i64], values: &[f32]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: 1,
        float_data: values.to_vec(),
        ..Tensor::default()
    }
}

fn info(name: &str, dims: &[i64]) -> ValueInfo {
    let dim = dims.iter().map(|&value| Dim { value: Some(value), param: None }).collect();
    let tensor = TensorType { elem_type: 1, shape: Some(Shape { dim }) };
    ValueInfo { name: name.to_owned(), kind: Some(Type { tensor: Some(tensor) }) }
}

/// A model of `x`, which has shape (2, 3), that gives `y`.
fn model(nodes: &[Node], parameters: &[Tensor]) -> Vec<u8> {
    let encoded = |message: &dyn Fn() -> Vec<u8>| message().into();
    let graph = Graph {
        node: nodes.iter().map(|node| encoded(&|| node.encode_to_vec())).collect(),
        initializer: parameters.iter().map(|tensor| encoded(&|| tensor.encode_to_vec())).collect(),
        input: vec![info("x", &[2, 3]).encode_to_vec().into()],
        output: vec![info("y", &[]).encode_to_vec().into()],
        sparse_initializer: Vec::new(),
    };
    let opset_import = vec![Opset { domain: String::new(), version: 17 }];
    Model { graph: Some(graph.encode_to_vec().into()), opset_import, functions: Vec::new() }.encode_to_vec()
}

fn imported_in(folder: &Path, bytes: &[u8]) -> Result<Job, ImportError> {
    let path = folder.join("model.onnx");
    std::fs::write(&path, bytes).expect("a file");
    import(&path, &Options::default(), &|name| name == "relu")
}

fn imported(bytes: &[u8]) -> Result<Job, ImportError> {
    imported_in(tempfile::tempdir().expect("a folder").path(), bytes)
}

/// The steps of a job.
fn steps(job: &Job) -> Vec<&str> {
    let steps = job.text.split_once("steps = [\n").expect("steps").1.split_once("\n]").expect("their end").0;
    steps.lines().map(|line| line.trim().trim_end_matches(',').trim_matches('"')).collect()
}

fn error(bytes: &[u8]) -> String {
    let error = imported(bytes).err().expect("the model is refused").to_string();
    assert_eq!(error.lines().count(), 1, "one line: {error}");
    error
}

#[test]
fn nodes_become_steps_and_parameters_private_inputs() {
    let nodes = [
        node("MatMul", &["x", "fc.weight"], "h"),
        node("Relu", &["h"], "relu"),
        node("Add", &["relu", "bias"], "y"),
    ];
    let weight = floats("fc.weight", &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let job = imported(&model(&nodes, &[weight, floats("bias", &[2], &[0.25, 7.0])])).expect("a job");
    assert_eq!(steps(&job), ["h = x @ fc_weight", "relu_2 = relu(h)", "y = relu_2 + bias"]);
    assert_eq!(job.parameter_count(), 8);
    let mut file = Vec::new();
    job.write_parameters(&mut file).expect("bytes");
    let header = u64::from_le_bytes(file[..8].try_into().expect("a length")) as usize;
    assert_eq!(file.len(), 8 + header + 8 * 4, "8 numbers of 32 bits");
    assert!(job.text.contains(
        "fc_weight = { owner = 1, file = \"model.safetensors\", tensor = \"fc_weight\", shape = [3, 2]"
    ));
}

#[test]
fn single_parameters_are_public_only_where_training_finds_no_such_number() {
    let sum = |value: f32| {
        let job =
            imported(&model(&[node("Mul", &["x", "c"], "y")], &[floats("c", &[], &[value])])).expect("a job");
        steps(&job)[0].to_owned()
    };
    assert_eq!(sum(2.0), "y = x * 2");
    assert_eq!(sum(0.5), "y = x * 0.5");
    assert_eq!(sum(0.3), "y = x * c");
}

#[test]
fn what_is_computed_of_constants_is_folded() {
    let shape = Tensor {
        name: "shape".to_owned(),
        dims: vec![2],
        data_type: 7,
        int64_data: vec![3, -1],
        ..Tensor::default()
    };
    let nodes = [
        node("Exp", &["a"], "b"),
        node("Mul", &["b", "b"], "c"),
        node("Reshape", &["x", "shape"], "r"),
        node("Add", &["r", "c"], "y"),
    ];
    let job = imported(&model(&nodes, &[shape, floats("a", &[2], &[0.0, 1.0])])).expect("a job");
    assert_eq!(steps(&job), ["r = reshape(x, 3, 2)", "y = r + c"]);
    let values = job.parameters[0].1.reals().expect("numbers");
    assert!((values[0] - 1.0).abs() < 1e-12 && (values[1] - 2f64.exp()).abs() < 1e-6, "{values:?}");
}

/// The models of tools/onnx whose constants make zeros where NumPy's values are taken away from them.
#[test]
fn folded_constants_are_numpys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../onnx/folding.onnx");
    let job = import(&path, &Options::default(), &|_| false).expect("a job");
    assert!(job.outputs.len() > 30, "many ops: {}", job.outputs.len());
    for (name, tensor) in &job.parameters {
        let most = tensor.reals().expect("numbers").iter().fold(0.0f64, |most, value| most.max(value.abs()));
        assert!(most < 1e-5, "{name} differs from NumPy's by {most}");
    }
}

#[test]
fn all_that_is_wrong_with_nodes_is_said_at_once() {
    let mut pool = node("Frobnicate", &["x"], "a");
    pool.name = "/first".to_owned();
    let line = error(&model(&[pool, node("Erf", &["x"], "b"), node("Add", &["a", "b"], "y")], &[]));
    assert!(line.contains("Frobnicate '/first': there is no such op; Erf 'b': the error function"), "{line}");
    assert!(!line.contains("Add"), "what depends on them is not named: {line}");
}

#[test]
fn graphs_that_are_none_are_refused() {
    let circle = [node("Add", &["x", "b"], "a"), node("Relu", &["a"], "b"), node("Neg", &["b"], "y")];
    assert!(error(&model(&circle, &[])).contains("depends on itself"));
    assert!(error(&model(&[node("Relu", &["z"], "y")], &[])).contains("the value 'z' is defined nowhere"));
    let twice = [node("Relu", &["x"], "y"), node("Neg", &["x"], "y")];
    assert!(error(&model(&twice, &[])).contains("the value 'y' is defined twice"));
    assert!(error(b"").contains("no ONNX model"));
    let constant = error(&model(&[node("Neg", &["c"], "y")], &[floats("c", &[1], &[1.0])]));
    assert!(constant.contains("does not depend on data"), "{constant}");
    // A long chain is no deep recursion.
    let names: Vec<String> =
        (0..20_000).map(|at| if at == 0 { "x".to_owned() } else { format!("v{at}") }).collect();
    let mut chain: Vec<Node> = names.windows(2).map(|pair| node("Identity", &[&pair[0]], &pair[1])).collect();
    chain.push(node("Relu", &["v19999"], "y"));
    assert_eq!(steps(&imported(&model(&chain, &[])).expect("a job")), ["y = relu(x)"]);
}

#[test]
fn what_tensors_claim_is_not_believed() {
    let add = [node("Add", &["x", "c"], "y")];
    let line = |tensor: Tensor| error(&model(&add, &[tensor]));
    assert!(line(floats("c", &[2, 3], &[1.0])).contains("do not fill extents [2, 3]"));
    assert!(line(floats("c", &[i64::MAX, 3], &[1.0])).contains("its extents are too large"));
    assert!(line(floats("c", &[-1], &[1.0])).contains("its extents are none"));
    let huge = Tensor { raw_data: Some(vec![0; 4].into()), ..floats("c", &[1 << 30], &[]) };
    assert!(line(huge).contains("do not fill extents"));
    let filled = Tensor {
        name: "c".to_owned(),
        dims: vec![1],
        data_type: 7,
        int64_data: vec![1 << 40],
        ..Tensor::default()
    };
    let line =
        error(&model(&[node("ConstantOfShape", &["c"], "d"), node("Add", &["x", "d"], "y")], &[filled]));
    assert!(line.contains("is too large"), "{line}");
}

#[test]
fn parameters_in_other_files_are_in_the_models_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let (inside, outside) = (folder.path().join("models"), folder.path().join("secret.bin"));
    std::fs::create_dir(&inside).expect("a folder");
    for path in [&outside, &inside.join("weights.bin")] {
        std::fs::write(path, 1.5f32.to_le_bytes().repeat(3)).expect("a file");
    }
    let entry = |key: &str, value: &str| Entry { key: key.to_owned(), value: value.to_owned() };
    let with = |location: &str, length: &str| {
        let external_data = vec![entry("location", location), entry("length", length)];
        let tensor = Tensor { data_location: 1, external_data, ..floats("c", &[3], &[]) };
        imported_in(&inside, &model(&[node("Mul", &["x", "c"], "y")], &[tensor]))
    };
    let job = with("weights.bin", "12").expect("a job");
    assert_eq!(job.parameters[0].1.reals().expect("numbers")[..], [1.5; 3]);
    let refused = |location: &str, length: &str| with(location, length).err().expect("refused").to_string();
    for location in ["../secret.bin", outside.to_str().expect("a path"), "a/../../secret.bin"] {
        assert!(refused(location, "12").contains("is not in the model's folder"), "{location}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&outside, inside.join("link.bin")).expect("a link");
        assert!(refused("link.bin", "12").contains("is not in the model's folder"));
    }
    assert!(refused("weights.bin", "16").contains("are not in weights.bin, which has 12 bytes"));
    assert!(refused("nothing.bin", "12").contains("nothing.bin: "));
}

/// A node with an attribute of the kind of integers.
fn with_whole(node: Node, name: &str, value: i64) -> Node {
    let attribute =
        crate::schema::Attribute { name: name.to_owned(), i: Some(value), kind: 2, ..Default::default() };
    Node { attribute: vec![attribute.encode_to_vec().into()], ..node }
}

fn wholes(name: &str, values: &[i64]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: 7,
        int64_data: values.to_vec(),
        ..Tensor::default()
    }
}

#[test]
fn small_private_factors_keep_their_digits() {
    let div = [node("Div", &["x", "c"], "y")];
    let job = imported(&model(&div, &[floats("c", &[3], &[30_000.0, 40_000.0, 50_000.0])])).expect("a job");
    assert_eq!(steps(&job), ["y = x * y_inverse * 6.1035156e-5"]);
    let first = job.parameters[0].1.reals().expect("numbers")[0];
    assert!((first - 16_384.0 / 30_000.0).abs() < 1e-12, "{first}");
    let job = imported(&model(&div, &[floats("c", &[3], &[3.0, 4.0, 50_000.0])])).expect("a job");
    assert!(job.text.contains("round a number of it by more than about 1 %"), "{}", job.text);
}

#[test]
fn counts_become_truth_values() {
    let nodes = [
        node("Greater", &["x", "c"], "bits"),
        node("Add", &["bits", "bits"], "count"),
        with_whole(node("Cast", &["count"], "any"), "to", 9),
        with_whole(node("Cast", &["any"], "y"), "to", 9),
    ];
    let job = imported(&model(&nodes, &[floats("c", &[], &[0.3])])).expect("a job");
    assert_eq!(steps(&job).last(), Some(&"y = count != 0"));
}

#[test]
fn ends_of_clip_are_private_as_other_parameters_are() {
    let clip = |low: f32| {
        let ends = [floats("low", &[], &[low]), floats("high", &[], &[0.7])];
        let job = imported(&model(&[node("Clip", &["x", "low", "high"], "y")], &ends)).expect("a job");
        steps(&job)[0].to_owned()
    };
    assert_eq!(clip(0.0), "y = min(relu(x), y_high)");
    assert_eq!(clip(0.3), "y = min(max(x, y_low), y_high)");
    assert_eq!(clip(f32::NEG_INFINITY), "y = min(x, y_high)");
}

#[test]
fn what_would_come_out_wrong_is_refused() {
    let huge = floats("c", &[3], &[1e20, 1.0, 2.0]);
    assert!(error(&model(&[node("Less", &["x", "c"], "y")], &[huge])).contains("which no ring holds"));
    let by_integers = error(&model(&[node("Div", &["x", "c"], "y")], &[wholes("c", &[3])]));
    assert!(by_integers.contains("shared integers are divided"), "{by_integers}");
    let slice = node("Slice", &["x", "from", "to", "axes"], "y");
    let ends = [wholes("from", &[1, 1]), wholes("to", &[3, 3]), wholes("axes", &[1, 1])];
    assert!(error(&model(&[slice], &ends)).contains("axis 1 is sliced twice"));
    let wide = error(&model(&[node("Pow", &["x", "c"], "y")], &[floats("c", &[4, 1, 1], &[2.0; 4])]));
    assert!(wide.contains("exponents of shape [4, 1, 1]"), "{wide}");
    let deep =
        error(&model(&[node("Unsqueeze", &["x", "c"], "y")], &[wholes("c", &(0..20).collect::<Vec<_>>())]));
    assert!(deep.contains("a value of 22 axes"), "{deep}");
}

/// A threshold that no data reaches leaves one leaf of the two.
#[test]
fn thresholds_beyond_all_data_decide_nothing() {
    use crate::schema::Attribute;
    let of_wholes = |name: &str, ints: &[i64]| Attribute {
        name: name.into(),
        kind: 7,
        ints: ints.to_vec(),
        ..Default::default()
    };
    let of_reals = |name: &str, floats: &[f32]| Attribute {
        name: name.into(),
        kind: 6,
        floats: floats.to_vec(),
        ..Default::default()
    };
    let modes =
        ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"].map(|mode| mode.as_bytes().to_vec().into());
    let attributes = [
        of_wholes("nodes_treeids", &[0; 5]),
        of_wholes("nodes_nodeids", &[0, 1, 2, 3, 4]),
        of_wholes("nodes_featureids", &[0, 1, 0, 0, 0]),
        of_wholes("nodes_truenodeids", &[1, 3, 0, 0, 0]),
        of_wholes("nodes_falsenodeids", &[2, 4, 0, 0, 0]),
        of_reals("nodes_values", &[1e20, 0.5, 0.0, 0.0, 0.0]),
        Attribute { name: "nodes_modes".into(), kind: 8, strings: modes.to_vec(), ..Default::default() },
        of_wholes("target_treeids", &[0; 3]),
        of_wholes("target_nodeids", &[2, 3, 4]),
        of_wholes("target_ids", &[0; 3]),
        of_reals("target_weights", &[7.0, 8.0, 9.0]),
    ];
    let attribute = attributes.iter().map(|attribute| attribute.encode_to_vec().into()).collect();
    let forest =
        Node { domain: "ai.onnx.ml".to_owned(), attribute, ..node("TreeEnsembleRegressor", &["x"], "y") };
    let job = imported(&model(&[forest], &[])).expect("a job");
    let numbers = |like: &str| {
        let found = job.parameters.iter().find(|(name, _)| name.ends_with(like)).expect("a parameter");
        found.1.reals().expect("numbers").to_vec()
    };
    assert_eq!(numbers("thresholds"), [0.5]);
    let mut leaves = numbers("leaves");
    leaves.sort_by(f64::total_cmp);
    assert_eq!(leaves, [8.0, 9.0]);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(at in 0usize..1000, byte: u8, length in 0usize..2000) {
        let forest = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../onnx/tree.onnx")).expect("a model");
        let mut bytes = forest;
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(length.max(at));
        let _ = imported(&bytes);
    }
}
