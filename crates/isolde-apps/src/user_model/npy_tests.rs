use proptest::prelude::*;

use super::*;

/// An array of version 1 with this header and these elements.
fn npy(header: &str, elements: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [MAGIC, &[1, 0], &length, header.as_bytes(), elements].concat()
}

fn described(descr: &str, order: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
    let header =
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}  \n");
    npy(&header, elements)
}

fn tensor(content: &[u8]) -> Result<Value, NpyError> {
    Npy::read(content)?.tensor()
}

fn floats(content: &[u8]) -> (Vec<usize>, Vec<f32>) {
    let Value::FloatTensor(tensor) = tensor(content).unwrap() else { panic!("no floats") };
    (tensor.shape().to_vec(), tensor.to_vec())
}

fn integers(content: &[u8]) -> Vec<i32> {
    let Value::Int32Tensor(tensor) = tensor(content).unwrap() else { panic!("no int32") };
    tensor.to_vec()
}

#[test]
fn elements_are_read_in_every_order() {
    let little: Vec<u8> = [1.5f32, -2.0, 3.0, 4.0, 5.0, 6.0].map(f32::to_le_bytes).concat();
    let rows = described("<f4", "False", "(2, 3)", &little);
    assert_eq!(floats(&rows), (vec![2, 3], vec![1.5, -2.0, 3.0, 4.0, 5.0, 6.0]));
    let columns = described("<f4", "True", "(2, 3)", &little);
    assert_eq!(floats(&columns), (vec![2, 3], vec![1.5, 3.0, 5.0, -2.0, 4.0, 6.0]));
    let big = [1.5f64, -2.0].map(f64::to_be_bytes).concat();
    assert_eq!(floats(&described(">f8", "False", "(2,)", &big)), (vec![2], vec![1.5, -2.0]));
    let halves = [0x3e00u16, 0xc000, 0x0001].map(u16::to_be_bytes).concat();
    let halves = floats(&described(">f2", "False", "(3,)", &halves)).1;
    assert_eq!(halves, [1.5, -2.0, 2.0f32.powi(-24)]);
    assert_eq!(floats(&described("<f4", "False", "()", &little[..4])), (vec![], vec![1.5]));
    assert_eq!(floats(&described("<f4", "True", "(2, 0)", &[])), (vec![2, 0], vec![]));
}

#[test]
fn whole_numbers_become_what_the_engine_computes_in() {
    let longs = [i64::from(i32::MIN), 7].map(i64::to_le_bytes).concat();
    assert_eq!(integers(&described("<i8", "False", "(2,)", &longs)), [i32::MIN, 7]);
    assert_eq!(integers(&described("|b1", "False", "(3,)", &[0, 1, 2])), [0, 1, 1]);
    assert_eq!(integers(&described(">i4", "False", "(1,)", &[0, 0, 1, 0])), [256]);
    let signed = tensor(&described("|i1", "False", "(1,)", &[0xff])).unwrap();
    assert!(matches!(signed, Value::Int8Tensor(tensor) if tensor.to_vec() == [-1]));
    let bytes = tensor(&described("|u1", "False", "(1,)", &[0xff])).unwrap();
    assert!(matches!(bytes, Value::UInt8Tensor(tensor) if tensor.to_vec() == [255]));
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let longs = [1, 1 << 31].map(i64::to_le_bytes).concat();
    let said = tensor(&described("<i8", "False", "(2,)", &longs)).unwrap_err().to_string();
    assert!(said.contains("element 1 is 2147483648"), "{said}");
    let doubles = [1e39, f64::INFINITY].map(f64::to_le_bytes).concat();
    let said = tensor(&described("<f8", "False", "(2,)", &doubles)).unwrap_err().to_string();
    assert!(said.contains("element 0") && said.contains("float32"), "{said}");
    let infinite = f64::INFINITY.to_le_bytes();
    assert_eq!(floats(&described("<f8", "False", "(1,)", &infinite)).1, [f32::INFINITY]);
}

#[test]
fn what_is_no_array_is_told() {
    let four = [0; 4];
    let cases: [(Vec<u8>, &str); 13] = [
        (b"PK".to_vec(), "begins otherwise"),
        (b"\x93NUMPY\x01".to_vec(), "ends within"),
        (b"\x93NUMPY\x04\0\0\0".to_vec(), "version"),
        (b"\x93NUMPY\x02\0\xff\xff\xff\xff".to_vec(), "too long"),
        (npy("{'descr': '<f4'}", &four), "cannot be read"),
        (npy("__import__('os')", &four), "cannot be read"),
        (described("|O", "False", "(1,)", &four), "`|O`"),
        (described("<U1", "False", "(1,)", &four), "`<U1`"),
        (described("<c8", "False", "(1,)", &four), "`<c8`"),
        (described("<f4", "False", "(2,)", &four), "asks for 8 bytes and there are 4"),
        (described("<f4", "False", "(-1,)", &four), "cannot be read"),
        (described("<f4", "False", "(4294967296, 4294967296, 0)", &[]), "more elements"),
        (npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", &four), "records"),
    ];
    for (content, words) in cases {
        let said = tensor(&content).unwrap_err().to_string();
        assert!(said.contains(words), "{words}: {said}");
    }
}

proptest! {
    #[test]
    fn headers_of_strangers_never_panic(header in "[{}()'\", :0-9a-zLTrueFals<>|]{0,60}") {
        let _ = tensor(&npy(&header, &[0; 16]));
    }
}
