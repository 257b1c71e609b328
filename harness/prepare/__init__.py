"""From pictures to registered faces: decoding, landmarks, registration, preparation, audit."""
