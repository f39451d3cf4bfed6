//! Readers of the command's own files, for fuzzing: none may panic, or take memory that the file does not pay for.

use symbolon_job::fuzz::with_file;

/// Reads the bytes as a trace, and draws it.
pub fn trace(bytes: &[u8]) {
    with_file("trace.json", bytes, |path| drop(crate::trace::draw(path)));
}

/// Reads the bytes as the model of a device.
pub fn model(bytes: &[u8]) {
    with_file("model.toml", bytes, |path| {
        let _ = crate::bench::model::read(&path.to_string_lossy());
    });
}

/// Reads the bytes as an ONNX model, and makes a job of it.
pub fn onnx(bytes: &[u8]) {
    with_file("model.onnx", bytes, |path| {
        let options = symbolon_import::Options::default();
        if let Ok(job) = symbolon_import::import(path, &options, &crate::import::is_reserved) {
            let _ = job.write_parameters(&mut std::io::sink());
            let _ = crate::import::check(path, &job.text);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon::testing::corpus;

    #[test]
    fn traces_of_the_corpus_are_survived() {
        corpus("trace", trace);
    }

    #[test]
    fn onnx_models_of_the_corpus_are_survived() {
        corpus("onnx", onnx);
    }

    #[test]
    fn models_of_the_corpus_are_survived() {
        corpus("model", model);
    }
}
