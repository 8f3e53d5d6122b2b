//! Stands between the Parquet reader and the bytes of a file: the reader
//! allocates what page headers claim, up to 2 GiB for a page and more for a
//! dictionary, so the claims are checked first.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::thrift;

/// Largest uncompressed page in bytes. Pages are written with the usual 1 MiB.
const LARGEST_PAGE: i64 = 16 << 20;

/// A file in memory whose page headers are checked as they are read.
pub(crate) struct GuardedFile(pub(crate) Bytes);

impl Length for GuardedFile {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

impl ChunkReader for GuardedFile {
    type T = bytes::buf::Reader<Bytes>;

    /// Called by the page reader with the place of a page header.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let reader = self.0.get_read(start)?;
        match thrift::uncompressed_page_size(reader.get_ref().chunk()) {
            Some(size) if (0..=LARGEST_PAGE).contains(&size) => Ok(reader),
            Some(size) => Err(general(format!("a page claims {size} bytes"))),
            None => Err(general("a page header that is none".into())),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let start = usize::try_from(start).map_err(|error| general(error.to_string()))?;
        let end = start.checked_add(length).filter(|&end| end <= self.0.len());
        end.map(|end| self.0.slice(start..end)).ok_or_else(|| general("a page ends early".into()))
    }
}

fn general(why: String) -> ParquetError {
    ParquetError::General(why)
}

/// The pages of a column: at most one dictionary, no larger than its own
/// bytes, before pages of the two encodings that a bundle has.
pub(crate) struct GuardedPages {
    pages: SerializedPageReader<GuardedFile>,
    dictionary_seen: bool,
}

impl GuardedPages {
    pub(crate) fn new(
        file: Arc<GuardedFile>,
        column: &ColumnChunkMetaData,
        rows: usize,
    ) -> Result<Self> {
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        if start < 0 || column.compressed_size() < 0 {
            // The reader's own check of these is a panic.
            return Err(general("a column lies outside the file".into()));
        }
        let pages = SerializedPageReader::new(file, column, rows, None)?;
        Ok(Self { pages, dictionary_seen: false })
    }

    fn check(&mut self, page: &Page) -> Result<()> {
        match page {
            Page::DictionaryPage { buf, num_values, .. } => {
                // A plain value takes four bytes at least.
                if *num_values as usize > buf.len() / 4 {
                    return Err(general(format!("a dictionary claims {num_values} values")));
                }
                if std::mem::replace(&mut self.dictionary_seen, true) {
                    return Err(general("it has two dictionaries".into()));
                }
                Ok(())
            }
            Page::DataPage { encoding: Encoding::PLAIN, .. } => Ok(()),
            Page::DataPage { encoding: Encoding::RLE_DICTIONARY, .. } if self.dictionary_seen => {
                Ok(())
            }
            _ => Err(general("a page of a kind that no bundle has".into())),
        }
    }
}

impl Iterator for GuardedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for GuardedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            self.check(page)?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}
