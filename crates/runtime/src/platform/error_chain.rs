//! An error with its causes, in one line.

/// The error's message, followed by that of each of its causes: `cannot read x: No such file or directory`.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::file_error::failed_to;
    use super::*;

    #[test]
    fn causes_follow_the_error() {
        let error = failed_to("read", "/x")(io::Error::other("why"));
        assert_eq!(error_chain(&error), "cannot read /x: why");
        assert_eq!(error_chain(&io::Error::other("alone")), "alone");
    }
}
