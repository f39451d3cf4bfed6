use super::*;

const STORE: StoreKey = StoreKey::from_bytes([0x11; 32]);

fn header() -> OrderHeader {
    OrderHeader {
        party: PartyId(1),
        ring: Ring::Z64,
        store: StoreId([0x22; 16]),
        order: 7,
        tile_side: 512,
        lowered_for: LoweredFor::Dealer,
        demand: [0x33; 32],
    }
}

fn piece(message: u32, offset: u64, bytes: &'static [u8]) -> Piece {
    Piece { message: MessageId(message), offset, bytes: Bytes::from_static(bytes) }
}

/// An order with two chunks.
fn file() -> Vec<u8> {
    let key = PrgKey::from_bytes([0x44; 32]);
    let mut writer = OrderWriter::new(Vec::new(), &STORE, &header(), &key).expect("a header");
    writer.chunk(&[piece(2, 0, b"\xaa\xbb"), piece(5, 0, b"")]).expect("a chunk");
    writer.chunk(&[piece(6, 16, b"\xcc")]).expect("a chunk");
    writer.finish().expect("an end")
}

fn read(file: &[u8]) -> Result<Vec<Vec<Piece>>, OrderError> {
    let (mut reader, _) = OrderReader::new(file, &STORE)?;
    let mut chunks = Vec::new();
    while let Some(pieces) = reader.chunk()? {
        chunks.push(pieces);
    }
    Ok(chunks)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The format is fixed: a change here is a new version of it. The tags were computed by another implementation, the
/// `blake3` package of Python.
#[test]
fn golden_file() {
    let expected = "
        73796d626f6c6f6e 01000000 01 40 0000 22222222222222222222222222222222 07000000 00000000 0002000000000000
        3333333333333333333333333333333333333333333333333333333333333333
        4444444444444444444444444444444444444444444444444444444444444444
        dff124b67062c32517e8d741eea6d3484fb22eae69c0551617a351179fe473ae
        22000000 02000000 02000000 0000000000000000 aabb 05000000 00000000 0000000000000000
        bb1650703e3a4f9eb0df862db645274eea99c2c2f64d3506a12534233ed1879e
        11000000 06000000 01000000 1000000000000000 cc
        3d3a1f35e93891136bde3a5c7f8554a8aebc36636d760c41e9ed1fe8c651a907
        00000000
        053a539e86cfd381960e4d3623fe6161c0314a59849836db6a2a2bb79bdcda9e";
    assert_eq!(hex(&file()), expected.split_whitespace().collect::<String>());
}

#[test]
fn an_order_is_read_as_it_was_written() {
    let file = file();
    let (reader, key) = OrderReader::new(&file[..], &STORE).expect("an order");
    assert_eq!((*reader.header(), *key.bytes()), (header(), [0x44; 32]));
    let chunks = [vec![piece(2, 0, b"\xaa\xbb"), piece(5, 0, b"")], vec![piece(6, 16, b"\xcc")]];
    assert_eq!(read(&file), Ok(chunks.to_vec()));
}

#[test]
fn no_byte_can_be_altered() {
    for at in 0..file().len() {
        let mut file = file();
        file[at] ^= 1;
        assert!(read(&file).is_err(), "byte {at} was altered");
    }
}

#[test]
fn nothing_can_be_left_out_or_added() {
    let whole = file();
    for end in 0..whole.len() {
        let error = read(&whole[..end]).expect_err("a file that is cut short");
        assert_eq!(error, if end < HEADER_BYTES { OrderError::NoOrder } else { OrderError::Cut });
    }
    assert_eq!(read(&[&whole[..], b"\0"].concat()), Err(OrderError::Malformed("bytes behind its end")));
    // The first chunk, or both turned round.
    let (head, rest) = whole.split_at(HEADER_BYTES);
    let (first, rest) = rest.split_at(4 + 34 + TAG_BYTES);
    let (second, end) = rest.split_at(4 + 17 + TAG_BYTES);
    assert_eq!(read(&[head, second, end].concat()), Err(OrderError::Altered { tag: 1 }));
    assert_eq!(read(&[head, second, first, end].concat()), Err(OrderError::Altered { tag: 1 }));
    assert_eq!(read(&[head, first, end].concat()), Err(OrderError::Altered { tag: 2 }));
}

#[test]
fn another_party_s_key_opens_nothing() {
    let other = OrderReader::new(&file()[..], &StoreKey::from_bytes([0x12; 32])).map(drop);
    assert_eq!(other, Err(OrderError::Altered { tag: 0 }));
}

#[test]
fn a_length_takes_no_memory_before_it_is_checked() {
    let mut file = file();
    file[HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(read(&file), Err(OrderError::Altered { tag: 1 }));
}

#[test]
fn secrets_are_not_printed() {
    assert_eq!(format!("{STORE:?}"), "StoreKey(..)");
    assert_eq!(format!("{:?}", piece(3, 8, b"\x01\x02")), "Piece(MessageId(3), 2 bytes at 8)");
}
