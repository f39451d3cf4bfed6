//! Device models: files, and those that come with the program.

use std::path::Path;
use symbolon::plan::DeviceModel;
use symbolon_job::JobError;

/// The models that come with the program; each says where its figures are from.
const SHIPPED: [(&str, &str); 4] = [
    ("core", include_str!("../../../models/core.toml")),
    ("h200", include_str!("../../../models/h200.toml")),
    ("h200-measured", include_str!("../../../models/h200-measured.toml")),
    ("rtx4090", include_str!("../../../models/rtx4090.toml")),
];

/// The model in a file, or the shipped one of this name.
pub fn read(name_or_path: &str) -> Result<DeviceModel, JobError> {
    let path = Path::new(name_or_path);
    let shipped = SHIPPED.iter().find(|(name, _)| *name == name_or_path && !path.exists());
    let text = match shipped {
        Some((_, text)) => (*text).to_owned(),
        None => std::fs::read_to_string(path).map_err(|error| {
            let names = SHIPPED.map(|(name, _)| name).join(", ");
            let reason = format!("{error}; models that come with symbolon: {names}");
            JobError::File { path: path.to_owned(), reason }
        })?,
    };
    let malformed = |reason: String| JobError::Text { path: path.to_owned(), line: None, reason };
    let model: DeviceModel = toml::from_str(&text).map_err(|error| malformed(error.message().to_owned()))?;
    model.check().map_err(malformed)?;
    Ok(model)
}

/// Writes a model.
pub fn write(path: &Path, model: &DeviceModel) -> Result<(), JobError> {
    let text = toml::to_string(model).expect("a model serialises");
    std::fs::write(path, text)
        .map_err(|error| JobError::File { path: path.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_model_is_read() {
        for (name, _) in SHIPPED {
            let model = read(name).unwrap_or_else(|failure| panic!("{name}: {failure}"));
            assert!(!model.name.is_empty());
        }
    }

    #[test]
    fn models_survive_a_file_and_others_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.toml");
        write(&path, &DeviceModel::typical()).expect("a model is written");
        assert_eq!(read(path.to_str().expect("a path")).expect("a model"), DeviceModel::typical());
        std::fs::write(&path, "name = 'x'").expect("a file");
        assert!(read(path.to_str().expect("a path")).is_err());
    }
}
