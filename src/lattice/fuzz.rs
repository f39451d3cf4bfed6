//! The readers of messages, for fuzzing: none may panic, or take memory that the bytes do not pay for; and whatever is read
//! can be computed with.

use super::{
    Answer, Evaluator, Held, KeyHolder, Keys, Layout, Parameters, Query, Rates, VectorAnswer, VectorQuery,
    Vectors,
};
use crate::ring::Ring;
use std::sync::{Arc, LazyLock};

/// The degree: messages are short, and nothing is hidden.
const DEGREE: usize = 64;

/// Elements of vectors.
const LEN: usize = 10;

/// The tables of one ring.
struct Tables {
    parameters: Arc<Parameters>,
    layout: Layout,
    holder: KeyHolder,
    keys: Keys,
}

static TABLES: LazyLock<[Tables; 2]> = LazyLock::new(|| {
    Ring::ALL.map(|ring| {
        let parameters = Parameters::insecure(ring, DEGREE);
        let layout =
            Layout::choose(&parameters, (3, 8, 4), Held::Left, &Rates::default()).expect("a small product");
        let (holder, keys) = KeyHolder::insecure(&parameters, &layout.shifts(), 1);
        Tables { parameters, layout, holder, keys }
    })
});

static VECTORS: LazyLock<Vectors> = LazyLock::new(|| Vectors::new(&TABLES[1].parameters, Ring::Z64));

/// Reads the bytes as every message of both rings, and computes with what is one.
pub fn messages(bytes: &[u8]) {
    for tables in TABLES.iter() {
        let Tables { parameters, layout, holder, keys } = tables;
        if let Ok(read) = Keys::from_bytes(parameters, &layout.shifts(), bytes) {
            assert_eq!(read.to_bytes(), bytes, "keys are written as they were read");
            drop(Evaluator::insecure(&read, 1));
        }
        if let Ok(query) = Query::from_bytes(parameters, layout, bytes) {
            assert_eq!(query.to_bytes(), bytes, "a query is written as it was read");
            let mut evaluator = Evaluator::insecure(keys, 1);
            let answered = match parameters.ring() {
                Ring::Z32 => evaluator.answer(&query, &[u32::MAX; 32]).is_ok(),
                Ring::Z64 => evaluator.answer(&query, &[u64::MAX; 32]).is_ok(),
            };
            assert!(answered, "every query has an answer");
        }
        if let Ok(answer) = Answer::from_bytes(parameters, layout, bytes) {
            match parameters.ring() {
                Ring::Z32 => assert_eq!(holder.open::<u32>(&answer).map(|share| share.len()), Ok(12)),
                Ring::Z64 => assert_eq!(holder.open::<u64>(&answer).map(|share| share.len()), Ok(12)),
            }
        }
    }
    let Tables { holder, keys, .. } = &TABLES[1];
    if let Ok(query) = VectorQuery::from_bytes(&VECTORS, LEN, bytes) {
        assert_eq!(query.to_bytes(), bytes, "a query of a vector is written as it was read");
        let answered = Evaluator::insecure(keys, 1).answer_vector(&VECTORS, &query, &[u64::MAX; LEN]);
        assert!(answered.is_ok(), "every query of a vector has an answer");
    }
    if let Ok(answer) = VectorAnswer::from_bytes(&VECTORS, LEN, bytes) {
        let opened = holder.open_vector::<u64>(&VECTORS, &answer);
        assert_eq!(opened.map(|share| share.len()), Ok(LEN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::corpus;

    /// The cases that the corpus begins with.
    fn cases() -> Vec<(&'static str, Vec<u8>)> {
        let [narrow, wide] = &*TABLES;
        let (mut holder, keys) = KeyHolder::insecure(&wide.parameters, &wide.layout.shifts(), 2);
        let query = holder.query(&wide.layout, &[7u64; 24]).expect("a factor");
        let mut evaluator = Evaluator::insecure(&keys, 3);
        let (answer, _) = evaluator.answer(&query, &[9u64; 32]).expect("an answer");
        let vector_query = holder.query_vector(&VECTORS, &[5u64; LEN]).expect("a vector");
        let (vector_answer, _) =
            evaluator.answer_vector(&VECTORS, &vector_query, &[3u64; LEN]).expect("an answer of a vector");
        let (mut narrow_holder, _) = KeyHolder::insecure(&narrow.parameters, &narrow.layout.shifts(), 2);
        let narrow_query = narrow_holder.query(&narrow.layout, &[7u32; 24]).expect("a factor");
        vec![
            ("keys", keys.to_bytes()),
            ("query", query.to_bytes()),
            ("answer", answer.to_bytes()),
            ("vector_query", vector_query.to_bytes()),
            ("vector_answer", vector_answer.to_bytes()),
            ("narrow_query", narrow_query.to_bytes()),
        ]
    }

    #[test]
    fn messages_of_the_corpus_are_survived() {
        corpus("lattice", messages);
    }

    /// A changed format needs a new corpus, or the old one would only be refused.
    #[test]
    fn the_corpus_has_every_message() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/fuzz/corpus/lattice");
        for (name, bytes) in cases() {
            let stored = std::fs::read(folder.join(name)).expect("a case");
            assert!(stored == bytes, "tools/fuzz/corpus/lattice/{name} is that message");
        }
    }
}
