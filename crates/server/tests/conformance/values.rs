//! Values: what goes out comes back as it was.

use beep_python_client::{Locals, PythonHostBackend, Value};

use crate::ground::{Case, Ground, cases};

pub const CASES: &[Case] = cases![long_text_travels];

async fn long_text_travels(ground: &Ground) {
    let python = &ground.python;
    for text in ["x".repeat(10 << 20), "é\u{1F600}\"\\\n".repeat(1 << 14)] {
        let locals = Locals::new().local("text", &text);
        let there: Value = python.evaluate_with("(len(text), text)", locals).await.expect("returned");
        let chars = text.chars().count() as i64;
        assert!(there == Value::Tuple(vec![chars.into(), text.into()]));
    }
}
