"""Hand-made features, and the methods to compare with: linear SVM, CPM, JPML, chance."""
