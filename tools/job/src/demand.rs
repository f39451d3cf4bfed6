//! Demand files: what a dealer must know to deal ahead of time.
//!
//! `plan --demand` writes one, as a JSON object:
//!
//! | field | |
//! |---|---|
//! | `format` | 1 |
//! | `digest` | BLAKE3 of the demand, in hexadecimal: the owners of the data can compare it with what `plan` prints |
//! | `tile_side` | the side of the tiles that the job was planned with; `null` where matrices stay whole |
//! | `demand` | the ring, and every correlation with its shape, in order |
//!
//! It says what shapes and widths the job computes on and which values are multiplied; no names or constants of the
//! program, and nothing of the data.

use crate::JobError;
use crate::data::regular;
use crate::identity::{self, Readers};
use serde::{Deserialize, Serialize};
use std::path::Path;
use symbolon::correlation::Demand;
use symbolon::plan::Plans;
use symbolon::program::tiling::TileSide;

const FORMAT: u32 = 1;

/// Most bytes of a demand file: the largest demand fits.
const LONGEST: u64 = 64 << 20;

/// A demand and the tiles that it was planned with.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemandFile {
    format: u32,
    /// BLAKE3 of the demand, in hexadecimal.
    pub digest: String,
    tile_side: Option<usize>,
    /// Every correlation, in order.
    pub demand: Demand,
}

impl DemandFile {
    /// The demand of a job that was planned with such tiles.
    pub fn new(plans: &Plans, side: TileSide) -> DemandFile {
        DemandFile {
            format: FORMAT,
            digest: hex(&plans.demand),
            tile_side: (side != TileSide::WHOLE).then_some(side.0),
            demand: plans.demand.clone(),
        }
    }

    /// Writes the file, for everybody to read.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), JobError> {
        let text = serde_json::to_string(self).expect("a demand serialises") + "\n";
        identity::write(path, &text, Readers::All)
    }

    /// Reads a file and checks that it can be dealt.
    ///
    /// # Errors
    /// Where it cannot be read, is no demand, or was altered.
    pub fn read(path: &Path) -> Result<DemandFile, JobError> {
        let unreadable = |reason: String| JobError::File { path: path.to_owned(), reason };
        let length = regular(path).map_err(unreadable)?.len();
        if length > LONGEST {
            return Err(unreadable(format!("{length} bytes are too many for a demand: at most {LONGEST}")));
        }
        let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        DemandFile::parse(&text).map_err(|(line, reason)| JobError::Text {
            path: path.to_owned(),
            line,
            reason,
        })
    }

    /// The demand in a text; an error has its line, where there is one.
    fn parse(text: &[u8]) -> Result<DemandFile, (Option<usize>, String)> {
        let file: DemandFile = serde_json::from_slice(text)
            .map_err(|error| (Some(error.line()), format!("this is no demand: {error}")))?;
        if file.format != FORMAT {
            return Err((None, format!("it has format {}, this program reads format {FORMAT}", file.format)));
        }
        file.demand.check().map_err(|error| (None, error.to_string()))?;
        let digest = hex(&file.demand);
        if file.digest != digest {
            return Err((
                None,
                format!("its digest is not that of the demand, which is {digest}: it was altered"),
            ));
        }
        Ok(file)
    }

    /// The side of the tiles that the demand was planned with.
    pub fn tile_side(&self) -> TileSide {
        self.tile_side.map_or(TileSide::WHOLE, TileSide)
    }
}

fn hex(demand: &Demand) -> String {
    blake3::Hash::from(demand.digest()).to_hex().to_string()
}
