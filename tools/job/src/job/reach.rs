//! The reach of inputs: whether a party's input reaches another's output, by the job's text, before any peer is met.

use super::{Job, Owner, State};
use std::collections::BTreeMap;
use symbolon::program::expression::{is_definition, names_in};
use symbolon::session::OfferError;
use symbolon::share::PartyId;

impl Job {
    /// Refuses a job of which a peer could choose shapes where others learn what depends on `party`'s inputs.
    ///
    /// # Errors
    /// Where it is such a job.
    pub fn check_shapes(&self, party: PartyId) -> Result<(), OfferError> {
        let mut others = self.inputs.iter().filter(|(_, input)| !input.owner.is(party));
        let undeclared = others.find(|(_, input)| input.shape.is_none());
        let (Some((input, peer)), Some((own, output))) = (undeclared, self.reach_of(party)) else {
            return Ok(());
        };
        let Owner::Party(owner) = peer.owner else { return Ok(()) };
        let (input, owner) = (input.clone(), PartyId(owner));
        Err(OfferError::Undeclared { input, owner, party, own: own.to_owned(), output: output.to_owned() })
    }

    /// An input of the party that reaches another party's output, and that output. Every name in a step's text counts,
    /// which is more than the program needs where one names an argument; and what one run reaches reaches the next by
    /// states and loops.
    fn reach_of(&self, party: PartyId) -> Option<(&str, &str)> {
        // The answers of checks, which all parties learn, rest on all that outputs rest on.
        let others = || {
            self.outputs.iter().filter(|(_, output)| self.check || output.to.iter().any(|&to| to != party.0))
        };
        if self.is_circuit {
            return self.inputs_of(party).next().zip(others().next().map(|(name, _)| name.as_str()));
        }
        let mut reached: BTreeMap<String, &str> =
            self.inputs_of(party).map(|name| (name.to_owned(), name)).collect();
        let first = |(name, state): (&String, &State)| {
            let &own = reached.get(state.first_input()?)?;
            Some((name.clone(), own))
        };
        let begun: Vec<(String, &str)> = self.states.iter().filter_map(first).collect();
        reached.extend(begun);
        let updates = self.updates.iter().map(|(name, update)| format!("{name} = {update}"));
        // A definition's body knows nothing but what its calls give it, and their texts name that.
        let steps = self.texts().filter(|text| !is_definition(text)).map(str::to_owned);
        let texts: Vec<String> = steps.chain(updates).collect();
        let mut known = 0;
        while known < reached.len() {
            known = reached.len();
            for text in &texts {
                let (defined, names) = names_in(text)?;
                if let Some(&own) = names.iter().find_map(|name| reached.get(name)) {
                    reached.insert(defined, own);
                }
            }
        }
        others().filter_map(|(name, _)| Some((*reached.get(name)?, name.as_str()))).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::GarbledJob;
    use std::io::Write;

    fn check(inputs: &str, to: &str, party: u8) -> Result<(), String> {
        check_with("", inputs, to, party)
    }

    fn check_with(options: &str, inputs: &str, to: &str, party: u8) -> Result<(), String> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let text = format!(
            "[job]\nname = \"t\"\nprotocol = \"beaver\"\nring_bits = 64\n{options}[inputs]\n{inputs}\n[program]\n\
             steps = [\"layer(x, w) = relu(x @ w)\", \"h = layer(x, w)\", \"z = sum(h, axis=0)\", \
             \"v = w * 2\"]\n[outputs]\n{to}\n"
        );
        file.write_all(text.as_bytes()).expect("it is written");
        let job = Job::read(file.path()).expect("a job");
        job.check_shapes(PartyId(party)).map_err(|error| error.to_string())
    }

    #[test]
    fn who_shows_others_what_depends_on_his_data_knows_all_their_shapes() {
        const NONE: &str = "x = { owner = 0 }\nw = { owner = 1 }";
        const X: &str = "x = { owner = 0, shape = [2, 3] }\nw = { owner = 1 }";
        let line = check(NONE, "z = { to = [1] }", 0).expect_err("x reaches party 1");
        assert!(
            line.starts_with(
                "the job declares no shape for input 'w' of party 1, and input 'x' of party 0 reaches output 'z' of \
                 another party"
            ),
            "{line}"
        );
        assert_eq!(check(NONE, "z = { to = [1] }", 1), Ok(()), "w reaches party 1 alone");
        assert_eq!(check(NONE, "v = { to = [1] }", 0), Ok(()), "v does not depend on x");
        assert_eq!(check(X, "z = { to = [0] }", 1), Ok(()), "all that party 1 takes from others is declared");
        assert!(check(X, "z = { to = [0, 1] }", 0).is_err(), "w is not");
        assert_eq!(check(NONE, "z = { to = [0] }", 0), Ok(()), "party 0 alone learns z");
        let circuit = |party| {
            let text = "[job]\nname = \"t\"\nprotocol = \"garbled\"\nring_bits = 64\n[inputs]\nx = { owner = 0 }\n\
                        y = { owner = 1 }\n[program]\ncircuit = \"c.txt\"\narguments = [\"x\", \"y\"]\nresults = [\"z\"]\n\
                        [outputs]\nz = { to = [1] }\n";
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            file.write_all(text.as_bytes()).expect("it is written");
            let job = GarbledJob::read(file.path()).expect("a job");
            job.base().check_shapes(PartyId(party)).is_ok()
        };
        assert_eq!([circuit(0), circuit(1)], [false, true], "in a circuit every input reaches every output");
        let checked = check_with("check = true\n", NONE, "z = { to = [0] }", 0);
        assert!(checked.is_err(), "all parties learn the answers of the checks");
    }
}
