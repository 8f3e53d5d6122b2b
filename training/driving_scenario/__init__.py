"""The frames that detection, lane keeping and the driving scenario share."""
